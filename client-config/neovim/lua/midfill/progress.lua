---Loading a model and making an edit take seconds: say so in the command line, and to the status line.
local M = {}

---@type table<string|integer, string> the titles of what is under way; only the first report of each carries it
local titles = {}
local current ---@type string?

---@param text string
local function echo(text)
  vim.api.nvim_echo({ { vim.fn.strcharpart(text, 0, vim.v.echospace) } }, false, {})
end

---What is under way, in a few words, or nil.
---@return string?
function M.title()
  return current
end

---@param group integer of the autocommands
---@param loudly boolean whether the command line shows it
function M.enable(group, loudly)
  vim.api.nvim_create_autocmd("LspProgress", {
    group = group,
    callback = function(event)
      local client = vim.lsp.get_client_by_id(event.data.client_id)
      if not client or client.name ~= "midfill" then
        return
      end
      local token, value = event.data.params.token, event.data.params.value
      local title = value.title or titles[token] or "Midfill"
      local text
      titles[token] = title
      if value.kind == "end" then
        titles[token] = nil
        -- An edit may go on after the model that it needs has been loaded.
        local _, other = next(titles)
        current = other
        text = other or value.message and ("%s: %s"):format(title, value.message) or ""
      elseif value.percentage and value.percentage > 0 then
        current = ("%s %d %%"):format(title, value.percentage)
        text = current
      else
        current = value.message and ("%s: %s"):format(title, value.message) or title
        text = current
      end
      if loudly then
        echo(text)
      end
    end,
  })
  -- A server that has ended will end nothing more.
  vim.api.nvim_create_autocmd("LspDetach", {
    group = group,
    callback = function(event)
      local client = vim.lsp.get_client_by_id(event.data.client_id)
      if client and client.name == "midfill" then
        titles, current = {}, nil
      end
    end,
  })
end

return M
