---Suggestions by the inline completion that Neovim 0.12 has of its own.
local report = require("midfill.report")

local M = {}

local api = vim.api
local builtin = vim.lsp.inline_completion

---Whether Neovim has it.
M.there = builtin ~= nil

---@param group integer of the autocommands
function M.enable(group)
  api.nvim_create_autocmd("LspAttach", {
    group = group,
    callback = function(event)
      local client = vim.lsp.get_client_by_id(event.data.client_id)
      if client and client.name == "midfill" then
        builtin.enable(true, { bufnr = event.buf })
      end
    end,
  })
end

---@return boolean
function M.visible()
  local namespace = api.nvim_get_namespaces()["nvim.lsp.inline_completion"]
  return namespace ~= nil and #api.nvim_buf_get_extmarks(0, namespace, 0, -1, { limit = 1 }) > 0
end

---Neovim does not tell.
---@return boolean
function M.waiting()
  return false
end

---Insert the beginning of a suggestion. Neovim shows the rest when the server is asked again.
---@param item vim.lsp.inline_completion.Item
---@param part fun(text: string): string
local function insert(item, part)
  local row, col = unpack(api.nvim_win_get_cursor(0))
  local text = report.text_of({ insertText = item.insert_text })
  local from = item.range and item.range.start.row == row - 1 and item.range.start.col or col
  local head = api.nvim_get_current_line():sub(from + 1, col)
  if not vim.startswith(text, head) then
    return
  end
  local start = part(text:sub(#head + 1))
  local lines = vim.split(start, "\n", { plain = true })
  api.nvim_buf_set_text(0, row - 1, col, row - 1, col, lines)
  api.nvim_win_set_cursor(0, { row + #lines - 1, #lines[#lines] + (#lines == 1 and col or 0) })
  local client = vim.lsp.get_client_by_id(item.client_id)
  if client then
    local whole = { insertText = item.insert_text, command = item.command }
    report.partly_accepted(client, whole, #head + #start)
  end
end

---@param part? fun(text: string): string
---@return boolean accepted
function M.accept(part)
  if not part then
    return builtin.get()
  end
  return builtin.get({
    on_accept = function(item)
      insert(item, part)
    end,
  })
end

---@param step integer
function M.cycle(step)
  builtin.select({ count = step })
end

---Neovim takes a suggestion away only with the whole feature.
function M.clear()
  builtin.enable(false, { bufnr = 0 })
  builtin.enable(vim.b.midfill ~= false, { bufnr = 0 })
end

return M
