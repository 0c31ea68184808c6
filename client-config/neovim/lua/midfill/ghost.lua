---Ghost text for Neovim 0.11, which has no inline completion of its own.
local M = {}

local api = vim.api
local namespace = api.nvim_create_namespace("midfill.ghost")
local AUTOMATIC = 2 -- InlineCompletionTriggerKind: asked for by typing, not by a command

---A suggestion that is shown, and the place that it is for.
---@class midfill.Suggestion
---@field buf integer
---@field row integer from 0
---@field col integer in bytes, from 0
---@field text string what accepting inserts at `row`, `col`
---@field before string the line up to `col`
---@field after string the line from `col` on
---@field lines integer of the buffer

local shown ---@type midfill.Suggestion?
local asked ---@type { client: vim.lsp.Client, id: integer? }?
local timer = assert(vim.uv.new_timer())

---The cursor as the place of a suggestion of `text`.
---@param text string
---@return midfill.Suggestion
local function here(text)
  local row, col = unpack(api.nvim_win_get_cursor(0))
  local line = api.nvim_get_current_line()
  return {
    buf = api.nvim_get_current_buf(),
    row = row - 1,
    col = col,
    text = text,
    before = line:sub(1, col),
    after = line:sub(col + 1),
    lines = api.nvim_buf_line_count(0),
  }
end

---Virtual text shows a tab as it is not: replace each by spaces, for text that starts at screen column `column`.
---@param text string
---@param column integer
---@return string
local function untab(text, column)
  local parts = vim.split(text, "\t", { plain = true })
  for i = 1, #parts - 1 do
    column = column + vim.fn.strdisplaywidth(parts[i])
    local width = vim.bo.tabstop - column % vim.bo.tabstop
    parts[i] = parts[i] .. (" "):rep(width)
    column = column + width
  end
  return table.concat(parts)
end

---@param suggestion midfill.Suggestion
local function draw(suggestion)
  local first, rest = nil, {}
  for i, line in ipairs(vim.split(suggestion.text, "\n", { plain = true })) do
    if i == 1 then
      first = untab(line, vim.fn.strdisplaywidth(suggestion.before))
    else
      rest[#rest + 1] = { { untab(line, 0), "MidfillGhost" } }
    end
  end
  local covered = #rest > 0 and suggestion.after ~= ""
  if covered then
    -- What follows the cursor will stand behind the last line of the suggestion: show it there.
    first = first .. (" "):rep(vim.fn.strdisplaywidth(suggestion.after))
    table.insert(rest[#rest], { suggestion.after, "Normal" })
  end
  api.nvim_buf_set_extmark(suggestion.buf, namespace, suggestion.row, suggestion.col, {
    id = 1,
    virt_text = { { first, "MidfillGhost" } },
    virt_text_pos = covered and "overlay" or "inline",
    virt_lines = rest,
    virt_lines_overflow = "scroll",
    hl_mode = "combine",
  })
end

---@param suggestion midfill.Suggestion?
local function show(suggestion)
  if shown and api.nvim_buf_is_valid(shown.buf) then
    api.nvim_buf_clear_namespace(shown.buf, namespace, 0, -1)
  end
  shown = suggestion
  if suggestion then
    draw(suggestion)
  end
end

---What an item of the server adds at the cursor, or nil if it also changes text around it.
---@param item { insertText: string|{ value: string }, range: lsp.Range? }
---@param encoding string
---@return string?
local function addition(item, encoding)
  local text = type(item.insertText) == "table" and item.insertText.value or item.insertText
  ---@cast text string
  if not item.range then
    return text
  end
  local place, range = here(text), item.range
  if range.start.line ~= place.row or range["end"].line ~= place.row then
    return nil
  end
  local line = place.before .. place.after
  local head = line:sub(vim.str_byteindex(line, encoding, range.start.character, false) + 1, place.col)
  local tail = line:sub(place.col + 1, vim.str_byteindex(line, encoding, range["end"].character, false))
  if #head + #tail <= #text and vim.startswith(text, head) and vim.endswith(text, tail) then
    return text:sub(#head + 1, #text - #tail)
  end
end

local function cancel()
  timer:stop()
  if asked and asked.id then
    asked.client:cancel_request(asked.id)
  end
  asked = nil
end

local function request()
  local client = vim.lsp.get_clients({ bufnr = 0, name = "midfill" })[1]
  if not client or vim.fn.mode() ~= "i" or vim.fn.pumvisible() == 1 then
    return
  end
  local mine = { client = client }
  local place, tick = here(""), vim.b.changedtick
  local params = vim.tbl_extend("error", vim.lsp.util.make_position_params(0, client.offset_encoding), {
    context = { triggerKind = AUTOMATIC },
  })
  asked = mine
  local sent, id = client:request("textDocument/inlineCompletion", params, function(err, result)
    if asked ~= mine then
      return
    end
    asked = nil
    if err or not result or not vim.deep_equal(place, here("")) or tick ~= vim.b.changedtick then
      return
    end
    local item = (result.items or result)[1]
    local text = item and addition(item, client.offset_encoding)
    if text and text ~= "" then
      show(here(text))
    end
  end, place.buf)
  mine.id = sent and id or nil
end

---What has been typed since the suggestion was drawn, or nil if anything else has changed.
---@param suggestion midfill.Suggestion
---@param now midfill.Suggestion
---@return string?
local function typed(suggestion, now)
  local rows = now.row - suggestion.row
  if
    now.buf ~= suggestion.buf
    or rows < 0
    or (rows == 0 and now.col < suggestion.col)
    or now.after ~= suggestion.after
    or now.lines ~= suggestion.lines + rows
  then
    return nil
  end
  local lines = api.nvim_buf_get_text(now.buf, suggestion.row, 0, now.row, now.col, {})
  local text = table.concat(lines, "\n")
  return vim.startswith(text, suggestion.before) and text:sub(#suggestion.before + 1) or nil
end

---Keep what is left of a suggestion whose start has just been typed; ask for a new one otherwise.
---@param debounce_ms integer
local function follow(debounce_ms)
  if shown then
    local now = here("")
    local start = typed(shown, now)
    if start and #start < #shown.text and vim.startswith(shown.text, start) then
      if start ~= "" then
        now.text = shown.text:sub(#start + 1)
        show(now)
      end
      return
    end
  end
  M.clear()
  timer:start(debounce_ms, 0, vim.schedule_wrap(request))
end

---@return boolean
function M.visible()
  return shown ~= nil and typed(shown, here("")) == ""
end

---Insert the suggestion, as an undo step of its own.
---@return boolean accepted
function M.accept()
  local suggestion = M.visible() and shown
  if not suggestion then
    return false
  end
  M.clear()
  local lines = vim.split(suggestion.text, "\n", { plain = true })
  vim.bo.undolevels = vim.bo.undolevels
  api.nvim_buf_set_text(suggestion.buf, suggestion.row, suggestion.col, suggestion.row, suggestion.col, lines)
  local col = #lines[#lines] + (#lines == 1 and suggestion.col or 0)
  api.nvim_win_set_cursor(0, { suggestion.row + #lines, col })
  vim.bo.undolevels = vim.bo.undolevels
  return true
end

---Show nothing, and wait for nothing.
function M.clear()
  cancel()
  show(nil)
end

---@param group integer of the autocommands
---@param debounce_ms integer
function M.enable(group, debounce_ms)
  api.nvim_set_hl(0, "MidfillGhost", { link = "Comment", default = true })
  api.nvim_create_autocmd({ "InsertEnter", "TextChangedI", "CursorMovedI", "CompleteDone" }, {
    group = group,
    callback = function()
      follow(debounce_ms)
    end,
  })
  api.nvim_create_autocmd({ "InsertLeave", "TextChangedP", "BufLeave" }, { group = group, callback = M.clear })
  -- Ctrl-C and Ctrl-O leave insert mode without an InsertLeave.
  api.nvim_create_autocmd("ModeChanged", { group = group, pattern = "i*:[^i]*", callback = M.clear })
end

return M
