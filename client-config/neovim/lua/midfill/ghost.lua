---Ghost text for Neovim 0.11, which has no inline completion of its own.
local report = require("midfill.report")

local M = {}

local api = vim.api
local namespace = api.nvim_create_namespace("midfill.ghost")
local INVOKED, AUTOMATIC = 1, 2 -- InlineCompletionTriggerKind

---What an item of the server comes to at the cursor.
---@class midfill.Choice
---@field text string what is inserted
---@field replaces integer the bytes behind the cursor that `text` stands in place of
---@field used integer the bytes of the item's text that stand before the cursor already
---@field item table as the server sent it
---@field client vim.lsp.Client

---A place in a buffer, and what stands around it.
---@class midfill.Place
---@field buf integer
---@field row integer from 0
---@field col integer in bytes, from 0
---@field before string the line up to `col`
---@field after string the line from `col` on
---@field lines integer of the buffer

---@class midfill.Shown
---@field place midfill.Place
---@field choices midfill.Choice[]
---@field index integer of the choice that is drawn
---@field invoked boolean whether the server was asked for all that it can suggest

local shown ---@type midfill.Shown?
local asked ---@type { client: vim.lsp.Client, id: integer? }?
local timer = assert(vim.uv.new_timer())

---@return midfill.Place
local function here()
  local row, col = unpack(api.nvim_win_get_cursor(0))
  local line = api.nvim_get_current_line()
  return {
    buf = api.nvim_get_current_buf(),
    row = row - 1,
    col = col,
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

---The parts of a line that go before, between and behind the characters which it stands in place of.
---@param text string
---@param covered string those characters; each is in `text`
---@return string[]? parts one more than `covered` has characters, or nil if they are not in `text`
local function around(text, covered)
  local parts = {}
  for i = #covered, 1, -1 do
    local head, tail = text:match("^(.*)" .. vim.pesc(covered:sub(i, i)) .. "(.*)$")
    if not head then
      return nil
    end
    parts[i + 1] = tail
    text = head
  end
  parts[1] = text
  return parts
end

---@param place midfill.Place
---@param choice midfill.Choice
local function draw(place, choice)
  local function mark(col, text, options)
    options = vim.tbl_extend("error", { virt_text = { { text, "MidfillGhost" } }, hl_mode = "replace" }, options)
    api.nvim_buf_set_extmark(place.buf, namespace, place.row, col, options)
  end
  local column = vim.fn.strdisplaywidth(place.before)
  local lines, rest = vim.split(choice.text, "\n", { plain = true }), {}
  local first = lines[1]
  for i = 2, #lines do
    rest[#rest + 1] = { { untab(lines[i], 0), "MidfillGhost" } }
  end
  if #rest > 0 and place.after ~= "" then
    -- What follows the cursor will stand behind the last line of the suggestion: show it there.
    table.insert(rest[#rest], { place.after:sub(choice.replaces + 1), "Normal" })
    first = untab(first, column) .. (" "):rep(vim.fn.strdisplaywidth(place.after))
    mark(place.col, first, { virt_text_pos = "overlay", virt_lines = rest, virt_lines_overflow = "scroll" })
  elseif #rest > 0 then
    first = untab(first, column)
    mark(place.col, first, { virt_text_pos = "inline", virt_lines = rest, virt_lines_overflow = "scroll" })
  else
    for i, part in ipairs(around(first, place.after:sub(1, choice.replaces)) or {}) do
      if part ~= "" then
        mark(place.col + i - 1, untab(part, column), { virt_text_pos = "inline" })
      end
    end
  end
end

---@param new midfill.Shown?
local function show(new)
  if shown and api.nvim_buf_is_valid(shown.place.buf) then
    api.nvim_buf_clear_namespace(shown.place.buf, namespace, 0, -1)
  end
  shown = new
  if new then
    draw(new.place, new.choices[new.index])
  end
end

---What an item of the server adds at the cursor, or nil if it also changes other text around it.
---@param item { insertText: string|{ value: string }, range: lsp.Range? }
---@param client vim.lsp.Client
---@param place midfill.Place
---@return midfill.Choice?
local function choice_of(item, client, place)
  local text = report.text_of(item)
  local range, line = item.range, place.before .. place.after
  local head, tail = "", ""
  if range then
    if range.start.line ~= place.row or range["end"].line ~= place.row then
      return nil
    end
    local encoding = client.offset_encoding
    head = line:sub(vim.str_byteindex(line, encoding, range.start.character, false) + 1, place.col)
    tail = line:sub(place.col + 1, vim.str_byteindex(line, encoding, range["end"].character, false))
  end
  if not vim.startswith(text, head) then
    return nil
  end
  text = text:sub(#head + 1)
  local replaces = #tail
  if #tail <= #text and vim.endswith(text, tail) then
    text, replaces = text:sub(1, #text - #tail), 0
  elseif not around(text, tail) then
    return nil
  end
  return text ~= "" and { text = text, replaces = replaces, used = #head, item = item, client = client } or nil
end

local function cancel()
  timer:stop()
  if asked and asked.id then
    asked.client:cancel_request(asked.id)
  end
  asked = nil
end

---Ask the server, and show what it answers if nothing has changed by then.
---@param kind integer
---@param avoid? string the text that is shown, for which another one is wanted
local function request(kind, avoid)
  local client = vim.lsp.get_clients({ bufnr = 0, name = "midfill" })[1]
  local fits = vim.fn.mode() == "i" and vim.fn.pumvisible() == 0 and vim.b.midfill ~= false
  if not client or not fits then
    return
  end
  cancel()
  local mine = { client = client }
  local place, tick = here(), vim.b.changedtick
  local params = vim.lsp.util.make_position_params(0, client.offset_encoding)
  ---@cast params table
  params.context = { triggerKind = kind }
  asked = mine
  local sent, id = client:request("textDocument/inlineCompletion", params, function(err, result)
    if asked ~= mine then
      return
    end
    asked = nil
    if err or not result or not vim.deep_equal(place, here()) or tick ~= vim.b.changedtick then
      return
    end
    local choices, index = {}, 1
    for _, item in ipairs(result.items or result) do
      choices[#choices + 1] = choice_of(item, client, place)
    end
    while index < #choices and choices[index].text == avoid do
      index = index + 1
    end
    if #choices > 0 then
      show({ place = place, choices = choices, index = index, invoked = kind == INVOKED })
      report.shown(client, choices[index].item)
    end
  end, place.buf)
  mine.id = sent and id or nil
end

---What has been typed since a suggestion was drawn, or nil if anything else has changed.
---@param then_ midfill.Place
---@param now midfill.Place
---@return string?
local function typed(then_, now)
  local rows = now.row - then_.row
  if
    now.buf ~= then_.buf
    or rows < 0
    or (rows == 0 and now.col < then_.col)
    or now.after ~= then_.after
    or now.lines ~= then_.lines + rows
  then
    return nil
  end
  local lines = api.nvim_buf_get_text(now.buf, then_.row, 0, now.row, now.col, {})
  local text = table.concat(lines, "\n")
  return vim.startswith(text, then_.before) and text:sub(#then_.before + 1) or nil
end

---The choices that go on as it was typed, without what was typed.
---@param choices midfill.Choice[]
---@param start string
---@return midfill.Choice[]
local function after(choices, start)
  local left = {}
  for _, choice in ipairs(choices) do
    if #start < #choice.text and vim.startswith(choice.text, start) then
      local rest = { text = choice.text:sub(#start + 1), used = choice.used + #start }
      left[#left + 1] = vim.tbl_extend("force", choice, rest)
    end
  end
  return left
end

---Keep what is left of a suggestion whose start has just been typed; ask for a new one otherwise.
---@param debounce_ms integer
local function follow(debounce_ms)
  if shown then
    local now = here()
    local start = typed(shown.place, now)
    if start == "" then
      return
    end
    local current = shown.choices[shown.index]
    if start and #start < #current.text and vim.startswith(current.text, start) then
      local index = #after(vim.list_slice(shown.choices, 1, shown.index), start)
      show({ place = now, choices = after(shown.choices, start), index = index, invoked = shown.invoked })
      return
    end
  end
  M.clear()
  timer:start(debounce_ms, 0, vim.schedule_wrap(function()
    request(AUTOMATIC)
  end))
end

---@return boolean
function M.visible()
  return shown ~= nil and typed(shown.place, here()) == ""
end

---Whether the server is at work on a suggestion.
---@return boolean
function M.waiting()
  return asked ~= nil
end

---Put text at the cursor, as an undo step of its own.
---@param place midfill.Place
---@param text string
---@param replaces integer
local function insert(place, text, replaces)
  local lines = vim.split(text, "\n", { plain = true })
  vim.bo.undolevels = vim.bo.undolevels
  api.nvim_buf_set_text(place.buf, place.row, place.col, place.row, place.col + replaces, lines)
  local col = #lines[#lines] + (#lines == 1 and place.col or 0)
  api.nvim_win_set_cursor(0, { place.row + #lines, col })
  vim.bo.undolevels = vim.bo.undolevels
end

---Insert the suggestion, or the beginning of it.
---@param part? fun(text: string): string the beginning that is wanted
---@return boolean accepted
function M.accept(part)
  if not shown or not M.visible() then
    return false
  end
  local before = shown
  local choice = before.choices[before.index]
  local start = part and part(choice.text) or choice.text
  local left = after(before.choices, start)
  M.clear()
  if start == choice.text then
    insert(before.place, start, choice.replaces)
    report.accepted(choice.client, choice.item)
    return true
  end
  insert(before.place, start, 0)
  local index = #after(vim.list_slice(before.choices, 1, before.index), start)
  show({ place = here(), choices = left, index = index, invoked = before.invoked })
  report.partly_accepted(choice.client, choice.item, choice.used + #start)
  return true
end

---Show another suggestion, or ask for one where none is shown.
---@param step integer 1 or -1
function M.cycle(step)
  if not shown or not M.visible() then
    request(INVOKED)
  elseif not shown.invoked then
    -- What is shown while typing is one suggestion; asking makes more of them.
    request(INVOKED, shown.choices[shown.index].text)
  elseif #shown.choices > 1 then
    local index = (shown.index - 1 + step) % #shown.choices + 1
    show({ place = shown.place, choices = shown.choices, index = index, invoked = true })
    report.shown(shown.choices[index].client, shown.choices[index].item)
  end
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
