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

function M.create()
  vim.api.nvim_create_user_command("MidfillRefactor", function(command)
    local client = client_of(0)
    if not client then
      return
    end
    local range = vim.lsp.util.make_range_params(0, client.offset_encoding).range
    if command.range > 0 then
      local last = vim.fn.getline(command.line2)
      local from, to = { command.line1, 0 }, { command.line2, #last }
      range = vim.lsp.util.make_given_range_params(from, to, 0, client.offset_encoding).range
    end
    local version = vim.lsp.util.buf_versions[vim.api.nvim_get_current_buf()]
    refactor(client, vim.uri_from_bufnr(0), range, version, command.args)
  end, { nargs = "*", range = true, desc = "Midfill: change the lines, or the definition at the cursor, as told" })

  vim.api.nvim_create_user_command("MidfillWhy", why, { desc = "Midfill: why was there (no) suggestion?" })

  vim.lsp.commands["midfill.askInstruction"] = function(command, context)
    local data = command.arguments[1]
    local client = vim.lsp.get_client_by_id(context.client_id)
    if client then
      refactor(client, data.uri, data.range, data.version, data.instruction)
    end
  end
end

return M
