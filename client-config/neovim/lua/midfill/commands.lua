---The commands: change code as the user says, and tell why there was, or was not, a suggestion.
local M = {}

---@param buf integer
---@return vim.lsp.Client?
local function client_of(buf)
  local client = vim.lsp.get_clients({ bufnr = buf, name = "midfill" })[1]
  if not client then
    vim.notify("Midfill: the server does not run for this buffer; see :checkhealth vim.lsp", vim.log.levels.WARN)
  end
  return client
end

---Ask for the instruction unless it is given, and have the server make the edit.
---@param client vim.lsp.Client
---@param uri string
---@param range lsp.Range a selection, or a place inside the definition to change
---@param version integer of the text that the range was taken from
---@param instruction? string
local function refactor(client, uri, range, version, instruction)
  if not instruction or instruction == "" then
    vim.ui.input({ prompt = "Refactor with AI: " }, function(input)
      if input and input ~= "" then
        refactor(client, uri, range, version, input)
      end
    end)
    return
  end
  local params = {
    command = "midfill.refactor",
    arguments = { { uri = uri, range = range, version = version, instruction = instruction } },
  }
  -- The server sends the edit itself, and says why when there is none.
  client:request("workspace/executeCommand", params, function(err)
    if err then
      vim.notify("Midfill: " .. err.message, vim.log.levels.ERROR)
    end
  end)
end

---@param lines string[] extended by `text` under `name`
---@param name string
---@param text string
local function append(lines, name, text)
  vim.list_extend(lines, { "", name .. ":", "```" })
  vim.list_extend(lines, vim.split(text, "\n", { plain = true }))
  lines[#lines + 1] = "```"
end

---The result of `midfill/explain` for a reader.
---@param why table
---@return string[] lines of Markdown
local function explanation(why)
  local lines = { "**" .. why.outcome .. "**" .. (why.reason and ": " .. why.reason or "") }
  if why.message and why.message ~= "" then
    lines[#lines + 1] = why.message
  end
  if why.model ~= "" then
    local prompt, millis = why.prompt, why.millis
    vim.list_extend(lines, {
      ("%s, from %s"):format(why.model, why.source),
      ("%d of %d prompt tokens evaluated, %d generated"):format(prompt.evaluated, prompt.tokens, why.generated),
      ("%.0f ms: queue %.0f, context %.0f, evaluate %.0f, generate %.0f, postprocess %.0f"):format(
        millis.total,
        millis.queue,
        millis.context,
        millis.evaluate,
        millis.generate,
        millis.postprocess
      ),
    })
  end
  if why.text ~= "" then
    append(lines, "Suggested", why.text)
  end
  if why.raw ~= "" and why.raw ~= why.text then
    append(lines, "The model wrote", why.raw)
  end
  return lines
end

---Show what came of the last suggestion asked for in the current buffer.
local function why()
  local client = client_of(0)
  if not client then
    return
  end
  local params = { textDocument = vim.lsp.util.make_text_document_params() }
  client:request("midfill/explain", params, function(err, result)
    local lines = { err and err.message or "Nothing has been asked for in this buffer yet." }
    if result then
      lines = explanation(result)
    end
    vim.lsp.util.open_floating_preview(lines, "markdown", { focus_id = "midfill", border = "rounded" })
  end)
end

---Apply one of the server's actions at the cursor, or in the lines given, without a menu.
---@param id string as the server names it
---@param command table of the user command
local function act(id, command)
  local range
  if command.range > 0 then
    range = { start = { command.line1, 0 }, ["end"] = { command.line2, #vim.fn.getline(command.line2) } }
  end
  vim.lsp.buf.code_action({
    apply = true,
    range = range,
    filter = function(action)
      return type(action.data) == "table" and action.data.action == id
    end,
  })
end

---@param command table of the user command
---@param instruction string
local function refactor_here(command, instruction)
  local client = client_of(0)
  if not client then
    return
  end
  local range = vim.lsp.util.make_range_params(0, client.offset_encoding).range
  if command.range > 0 then
    local from, to = { command.line1, 0 }, { command.line2, #vim.fn.getline(command.line2) }
    range = vim.lsp.util.make_given_range_params(from, to, 0, client.offset_encoding).range
  end
  local version = vim.lsp.util.buf_versions[vim.api.nvim_get_current_buf()]
  refactor(client, vim.uri_from_bufnr(0), range, version, instruction)
end

---Turn suggestions on or off, everywhere or as `where` says.
---@param where string "", "buffer" or "language"
---@param wanted? boolean the opposite of what is, if nil
local function switch(where, wanted)
  local midfill = require("midfill")
  local settings = midfill.options.settings
  local name, now = "everywhere", settings.enabled ~= false
  if where == "buffer" then
    name, now = "in this buffer", vim.b.midfill ~= false
  elseif where == "language" then
    name, now = "in " .. vim.bo.filetype, not vim.list_contains(settings.disabledLanguages or {}, vim.bo.filetype)
  end
  local on = wanted == nil and not now or wanted or false
  if where == "buffer" then
    vim.b.midfill = on
  elseif where == "language" then
    local others = vim.tbl_filter(function(each)
      return each ~= vim.bo.filetype
    end, settings.disabledLanguages or {})
    settings.disabledLanguages = on and others or vim.list_extend(others, { vim.bo.filetype })
  else
    settings.enabled = on
  end
  midfill.dismiss()
  midfill.configure()
  vim.notify(("Midfill: suggestions %s are %s"):format(name, on and "on" or "off"))
end

---@param arguments string[] of the server's program
local function in_terminal(arguments)
  vim.cmd("botright new")
  vim.fn.jobstart(vim.list_extend({ require("midfill").options.cmd[1] }, arguments), { term = true })
end

---What `:Midfill NAME ARGUMENTS` does.
---@type table<string, fun(arguments: string, command: table)>
local COMMANDS = {
  refactor = function(arguments, command)
    refactor_here(command, arguments)
  end,
  docstring = function(_, command)
    act("docstring", command)
  end,
  why = why,
  enable = function(where)
    switch(where, true)
  end,
  disable = function(where)
    switch(where, false)
  end,
  toggle = function(where)
    switch(where)
  end,
  restart = function()
    require("midfill").restart()
  end,
  log = function()
    vim.cmd.tabedit(vim.fn.fnameescape(vim.lsp.get_log_path()))
  end,
  doctor = function()
    in_terminal({ "doctor" })
  end,
  stats = function()
    in_terminal({ "stats" })
  end,
}

local WHERE = { "buffer", "language" }

---@param choices string[]
---@param start string
---@return string[]
local function starting(choices, start)
  return vim.tbl_filter(function(each)
    return vim.startswith(each, start)
  end, choices)
end

function M.create()
  vim.api.nvim_create_user_command("Midfill", function(command)
    local name, arguments = command.args:match("^(%S+)%s*(.*)$")
    if COMMANDS[name] then
      COMMANDS[name](vim.trim(arguments), command)
    else
      local known = vim.tbl_keys(COMMANDS)
      table.sort(known)
      local message = "Midfill: there is no command %q; choose one of %s"
      vim.notify(message:format(name, table.concat(known, ", ")), vim.log.levels.ERROR)
    end
  end, {
    nargs = "+",
    range = true,
    desc = "Midfill: change code, tell why, switch on and off; see :help midfill-commands",
    complete = function(start, line)
      local words = vim.split(line:gsub("^.-Midfill%s+", ""), "%s+")
      if #words < 2 then
        local known = vim.tbl_keys(COMMANDS)
        table.sort(known)
        return starting(known, start)
      end
      return vim.list_contains({ "enable", "disable", "toggle" }, words[1]) and starting(WHERE, start) or {}
    end,
  })

  vim.lsp.commands["midfill.askInstruction"] = function(command, context)
    local data = command.arguments[1]
    local client = vim.lsp.get_client_by_id(context.client_id)
    if client then
      refactor(client, data.uri, data.range, data.version, data.instruction)
    end
  end
end

return M
