---Midfill in Neovim: `require("midfill").setup()` starts the server and shows its suggestions.
local M = {}

---@class midfill.Keymaps keys of insert mode; false for none
---@field accept? string|false
---@field accept_word? string|false
---@field accept_line? string|false
---@field next? string|false
---@field previous? string|false
---@field dismiss? string|false

---@class midfill.Options
---@field cmd? string[] how to start the server
---@field settings? table<string, any> the server's settings, by the names in docs/settings.md
---@field keymaps? midfill.Keymaps
---@field builtin? boolean whether Neovim 0.12 shows the suggestions by its own means
---@field debounce_ms? integer how long typing must pause before the server is asked
---@field progress? boolean whether loading and editing are shown in the command line
local defaults = {
  settings = {},
  keymaps = {
    accept = "<Tab>",
    accept_word = "<M-Right>",
    accept_line = "<M-C-Right>",
    next = "<M-]>",
    previous = "<M-[>",
    dismiss = "<C-]>",
  },
  builtin = true,
  debounce_ms = 40,
  progress = true,
}

---@type midfill.Options those in force
M.options = vim.deepcopy(defaults)

-- What may end without being asked to, so often within so many seconds, before it is not started again.
local CRASHES, WITHIN = 3, 180

local crashes = {} ---@type number[]
local restarting = false

---What shows suggestions: `midfill.ghost`, or `midfill.builtin` where Neovim does it by itself.
local view = require("midfill.ghost")

---The server of this plugin's own folder where `midfill` is not on the PATH.
---@return string[]
local function default_command()
  local plugin = vim.fs.normalize(debug.getinfo(1, "S").source:sub(2))
  local beside = vim.fs.joinpath(vim.fn.fnamemodify(plugin, ":p:h:h:h:h:h"), ".venv/bin/midfill")
  local found = vim.fn.executable("midfill") == 0 and vim.fn.executable(beside) == 1
  return { found and beside or "midfill", "serve" }
end

---@param text string
---@return string
local function first_word(text)
  return text:match("^%s*[%w_\128-\255]+") or text:match("^%s*[^%w_%s\128-\255]+") or text
end

---@param text string
---@return string
local function first_line(text)
  return text:match("^\n?[^\n]*")
end

---Insert the suggestion that is shown. These are for mappings of your own, too.
---@return boolean accepted
function M.accept()
  return view.accept()
end

---@return boolean accepted
function M.accept_word()
  return view.accept(first_word)
end

---@return boolean accepted
function M.accept_line()
  return view.accept(first_line)
end

---Show another suggestion; ask for one where none is shown.
function M.next()
  view.cycle(1)
end

function M.previous()
  view.cycle(-1)
end

function M.dismiss()
  view.clear()
end

---Whether a suggestion is shown.
---@return boolean
function M.visible()
  return view.visible()
end

---For a status line: what Midfill does, or "" where it does nothing in this buffer.
---@return string
function M.status()
  local client = vim.lsp.get_clients({ bufnr = 0, name = "midfill" })[1]
  if not client then
    return ""
  end
  local chosen = M.options.settings
  local off = chosen.enabled == false or vim.list_contains(chosen.disabledLanguages or {}, vim.bo.filetype)
  if off or vim.b.midfill == false then
    return "Midfill off"
  end
  return require("midfill.progress").title() or view.waiting() and "Midfill …" or "Midfill"
end

local ACTIONS = { "accept", "accept_word", "accept_line", "next", "previous", "dismiss" }
local ALWAYS = { next = true, previous = true } -- These ask for a suggestion where none is shown.
local DESCRIPTION = "Midfill: "

---Map the keys in one buffer; without a suggestion each does what it did before.
---@param buf integer
local function map_keys(buf)
  for _, action in ipairs(ACTIONS) do
    local key = M.options.keymaps[action]
    local former = key and vim.api.nvim_buf_call(buf, function()
      return vim.fn.maparg(key, "i", false, true)
    end)
    if former and not vim.startswith(former.desc or "", DESCRIPTION) then
      local fallback = ("<Plug>(midfill-%s-fallback)"):format(action)
      vim.keymap.set("i", fallback, key, { buffer = buf })
      if not vim.tbl_isempty(former) then
        former.lhs, former.lhsraw, former.lhsrawalt = fallback, vim.keycode(fallback), nil
        former.buffer = 1
        vim.api.nvim_buf_call(buf, function()
          vim.fn.mapset("i", false, former)
        end)
      end
      local call = ("<Cmd>lua require('midfill').%s()<CR>"):format(action)
      -- A mapping may not change the text while it is evaluated, so it gives keys that do.
      vim.keymap.set("i", key, function()
        return (ALWAYS[action] or M.visible()) and call or fallback
      end, { buffer = buf, expr = true, remap = true, desc = DESCRIPTION .. action:gsub("_", " ") })
    end
  end
end

---@return table
local function settings()
  return next(M.options.settings) and M.options.settings or vim.empty_dict()
end

---Messages of the server go through `vim.notify`, on one line.
---@type lsp.Handler
local function show_message(_, params)
  local levels = { vim.log.levels.ERROR, vim.log.levels.WARN }
  vim.notify("Midfill: " .. params.message:gsub("^Midfill: ", ""), levels[params.type] or vim.log.levels.INFO)
end

---Tell the server where the cursor is; it reads the code there while nobody types.
---@param event { buf: integer }
local function tell_cursor(event)
  for _, client in ipairs(vim.lsp.get_clients({ name = "midfill", bufnr = event.buf })) do
    local place = vim.lsp.util.make_position_params(0, client.offset_encoding)
    client:notify("midfill/didMoveCursor", place)
  end
end

---One server, whatever the number of projects; it is told of each.
---@param client vim.lsp.Client
---@param config vim.lsp.ClientConfig
---@return boolean
local function reuse(client, config)
  if client.name ~= config.name or client:is_stopped() then
    return false
  end
  local folder = config.root_dir
  local known = not folder
    or vim.iter(client.workspace_folders or {}):any(function(each)
      return each.uri == vim.uri_from_fname(folder)
    end)
  if not known then
    client:_add_workspace_folder(folder)
  end
  return true
end

local function start()
  vim.lsp.enable("midfill", false)
  vim.lsp.enable("midfill")
end

---A server that has crashed is started again, but not for ever.
---@param code integer
---@param signal integer
local function ended(code, signal)
  local asked_to = restarting or vim.v.exiting ~= vim.NIL
  if restarting then
    restarting, crashes = false, {}
    vim.schedule(start)
  end
  if asked_to or code == 0 and signal == 0 then
    return
  end
  local now = vim.uv.now() / 1000
  crashes = vim.tbl_filter(function(at)
    return now - at < WITHIN
  end, crashes)
  crashes[#crashes + 1] = now
  -- Neovim says something itself, and two messages at once would have to be confirmed.
  vim.defer_fn(function()
    if #crashes < CRASHES then
      vim.notify("Midfill: the server has ended and is started again", vim.log.levels.WARN)
      start()
    else
      vim.notify("Midfill: the server keeps ending; see :Midfill log, then :Midfill restart", vim.log.levels.ERROR)
    end
  end, 1000)
end

---Stop the server, if there is one, and start it.
function M.restart()
  local clients = vim.lsp.get_clients({ name = "midfill" })
  restarting = #clients > 0
  for _, client in ipairs(clients) do
    client:stop()
  end
  if not restarting then
    start()
  end
end

---Send the settings to the server after a change of `M.options.settings`.
function M.configure()
  for _, client in ipairs(vim.lsp.get_clients({ name = "midfill" })) do
    client:notify("workspace/didChangeConfiguration", { settings = { midfill = settings() } })
  end
end

---@param options? midfill.Options
function M.setup(options)
  M.options = vim.tbl_deep_extend("force", defaults, { cmd = default_command() }, options or {})
  require("midfill.commands").create()
  if vim.fn.executable(M.options.cmd[1]) == 0 then
    local message = "Midfill: cannot run %q; install Midfill, or give its path as cmd in require('midfill').setup{}"
    vim.notify(message:format(M.options.cmd[1]), vim.log.levels.WARN)
    return
  end

  vim.lsp.config("midfill", {
    cmd = M.options.cmd,
    before_init = function(params)
      params.initializationOptions = { midfill = settings() }
    end,
    capabilities = {
      textDocument = { inlineCompletion = { dynamicRegistration = false } },
      experimental = { midfill = { askInstruction = true } },
    },
    handlers = { ["window/showMessage"] = show_message },
    -- Files only, not the buffers of plugins such as fugitive://.
    root_dir = function(buf, start_in)
      local name = vim.api.nvim_buf_get_name(buf)
      if name ~= "" and not name:match("^%a[%w+.-]+://") then
        start_in(vim.fs.root(buf, ".git"))
      end
    end,
    reuse_client = reuse,
    on_exit = ended,
  })

  local group = vim.api.nvim_create_augroup("midfill", {})
  vim.api.nvim_create_autocmd("LspAttach", {
    group = group,
    callback = function(event)
      local client = vim.lsp.get_client_by_id(event.data.client_id)
      if client and client.name == "midfill" then
        map_keys(event.buf)
      end
    end,
  })
  vim.api.nvim_create_autocmd({ "CursorMoved", "BufEnter", "InsertEnter" }, { group = group, callback = tell_cursor })
  local builtin = require("midfill.builtin")
  view = M.options.builtin and builtin.there and builtin or require("midfill.ghost")
  view.enable(group, M.options.debounce_ms)
  require("midfill.progress").enable(group, M.options.progress)
  vim.lsp.enable("midfill")
end

return M
