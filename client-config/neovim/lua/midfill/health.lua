---`:checkhealth midfill`
local M = {}

---@param arguments string[]
---@return vim.SystemCompleted?
local function run(arguments)
  local command = vim.list_extend({ require("midfill").options.cmd[1] }, arguments)
  local started, process = pcall(vim.system, command, { text = true })
  return started and process:wait(20000) or nil
end

local function check_neovim()
  vim.health.start("Neovim")
  if vim.fn.has("nvim-0.11") == 0 then
    vim.health.error("Midfill needs Neovim 0.11 or newer.")
  elseif require("midfill.builtin").there then
    vim.health.ok("Neovim has inline completion, which shows the suggestions unless `builtin` is false.")
  else
    vim.health.ok("Neovim has no inline completion of its own; Midfill shows the suggestions itself.")
  end
end

---@return boolean
local function check_program()
  vim.health.start("The server's program")
  local program = (require("midfill").options.cmd or {})[1]
  if not program then
    vim.health.error("`require('midfill').setup()` was not called.", "Call it in init.lua.")
    return false
  end
  local version = run({ "--version" })
  if not version or version.code ~= 0 then
    local advice = { "Run `make setup` in Midfill's folder.", "Or give the path as `cmd` in setup{}." }
    vim.health.error(("%s cannot be run."):format(program), advice)
    return false
  end
  vim.health.ok(("%s is %s."):format(vim.fn.exepath(program), vim.trim(version.stdout)))
  for _, role in ipairs({ "complete", "edit" }) do
    local found = run({ "models", "path", role })
    if found and found.code == 0 then
      vim.health.ok(("The model that is to %s is there: %s"):format(role, vim.fs.basename(vim.trim(found.stdout))))
    else
      local advice = ("Run `%s models fetch %s`."):format(program, role)
      vim.health.error(("The model that is to %s is not there."):format(role), advice)
    end
  end
  return true
end

local function check_server()
  vim.health.start("The server")
  local clients = vim.lsp.get_clients({ name = "midfill" })
  if #clients == 0 then
    vim.health.warn("It does not run.", "Open a file that has a name; then see `:Midfill log`, `:Midfill restart`.")
  end
  for _, client in ipairs(clients) do
    local buffers = vim.tbl_count(client.attached_buffers)
    vim.health.ok(("It runs, for %d buffer%s, with %s."):format(buffers, buffers == 1 and "" or "s", client.offset_encoding))
    for _, folder in ipairs(client.workspace_folders or {}) do
      vim.health.info("Indexed folder: " .. vim.uri_to_fname(folder.uri))
    end
  end
  local settings = require("midfill").options.settings
  if settings.enabled == false then
    vim.health.warn("Suggestions are off.", "`:Midfill enable`")
  end
  if #(settings.disabledLanguages or {}) > 0 then
    vim.health.info("Languages without suggestions: " .. table.concat(settings.disabledLanguages, ", "))
  end
end

function M.check()
  check_neovim()
  if check_program() then
    check_server()
  end
end

return M
