---Loading a model and making an edit take seconds: say so in the command line.
local M = {}

---@type table<string|integer, string> the titles of what is under way; only the first report of each carries it
local titles = {}

---@param text string
local function echo(text)
  vim.api.nvim_echo({ { vim.fn.strcharpart(text, 0, vim.v.echospace) } }, false, {})
end

---@param group integer of the autocommands
function M.enable(group)
  vim.api.nvim_create_autocmd("LspProgress", {
    group = group,
    callback = function(event)
      local client = vim.lsp.get_client_by_id(event.data.client_id)
      if not client or client.name ~= "midfill" then
        return
      end
      local token, value = event.data.params.token, event.data.params.value
      local title = value.title or titles[token] or "Midfill"
      titles[token] = title
      if value.kind == "end" then
        titles[token] = nil
        -- An edit may go on after the model that it needs has been loaded.
        local _, other = next(titles)
        echo(other or value.message and ("%s: %s"):format(title, value.message) or "")
      elseif value.percentage and value.percentage > 0 then
        echo(("%s %d %%"):format(title, value.percentage))
      else
        echo(value.message and ("%s: %s"):format(title, value.message) or title)
      end
    end,
  })
end

return M
