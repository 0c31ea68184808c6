---Tells the server what was shown and what was accepted, which it counts; see docs/protocol.md.
local M = {}

---@param item { insertText: string|{ value: string } }
---@return string
function M.text_of(item)
  local text = item.insertText
  return type(text) == "table" and text.value or text --[[@as string]]
end

---@param client vim.lsp.Client
---@param item table as the server sent it
function M.shown(client, item)
  client:notify("textDocument/didShowCompletion", { item = item })
end

---@param client vim.lsp.Client
---@param item table
function M.accepted(client, item)
  if item.command then
    local params = { command = item.command.command, arguments = item.command.arguments }
    -- What the server answers to this is of no use, and that it fails is nothing that the user can help.
    client:request("workspace/executeCommand", params, function() end)
  end
end

---@param client vim.lsp.Client
---@param item table
---@param used integer the bytes of the item's text, from its start, that are in the buffer now
function M.partly_accepted(client, item, used)
  client:notify("textDocument/didPartiallyAcceptCompletion", {
    item = item,
    acceptedLength = vim.str_utfindex(M.text_of(item):sub(1, used), "utf-16"),
  })
end

return M
