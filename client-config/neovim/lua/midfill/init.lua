---Midfill in Neovim: `require("midfill").setup()` starts the server and shows its suggestions.
local M = {}

---@class midfill.Options
---@field cmd? string[] how to start the server
---@field settings? table<string, any> the server's settings, by the names in Midfill's README
---@field keymaps? { accept?: string|false } keys of insert mode
---@field debounce_ms? integer how long typing must pause before the server is asked (Neovim 0.11)
---@field progress? boolean whether loading and editing are shown in the command line
local defaults = {
  cmd = { "midfill", "serve" },
  settings = {},
  keymaps = { accept = "<Tab>" },
  debounce_ms = 40,
  progress = true,
}

local FALLBACK = "<Plug>(midfill-accept-fallback)"
local DESCRIPTION = "Midfill: accept the suggestion"

---Neovim 0.12 shows inline completions by itself.
local builtin = vim.lsp.inline_completion

---What the accept key is to do, for an `<expr>` mapping: a mapping may not change the text while it is evaluated.
---@return string keys
local function accept_keys()
  if builtin then
    return builtin.get() and "" or FALLBACK
  end
  return require("midfill.ghost").visible() and "<Cmd>lua require('midfill').accept()<CR>" or FALLBACK
end

---Map the accept key in one buffer; without a suggestion it does what it did before.
---@param buf integer
---@param key string
local function map_accept(buf, key)
  vim.api.nvim_buf_call(buf, function()
    local former = vim.fn.maparg(key, "i", false, true)
    if former.desc == DESCRIPTION then
      return
    end
    vim.keymap.set("i", FALLBACK, key, { buffer = buf })
    if not vim.tbl_isempty(former) then
      former.lhs, former.lhsraw, former.lhsrawalt = FALLBACK, vim.keycode(FALLBACK), nil
      former.buffer = 1
      vim.fn.mapset("i", false, former)
    end
    vim.keymap.set("i", key, accept_keys, { buffer = buf, expr = true, remap = true, desc = DESCRIPTION })
  end)
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

---Insert the suggestion that is shown, for mappings of your own.
---@return boolean accepted
function M.accept()
  if builtin then
    return builtin.get()
  end
  return require("midfill.ghost").accept()
end

---@param options? midfill.Options
function M.setup(options)
  ---@type midfill.Options
  options = vim.tbl_deep_extend("force", defaults, options or {})
  if vim.fn.executable(options.cmd[1]) == 0 then
    local message = "Midfill: cannot run %q; install Midfill, or give its path as cmd in require('midfill').setup{}"
    vim.notify(message:format(options.cmd[1]), vim.log.levels.WARN)
    return
  end

  vim.lsp.config("midfill", {
    cmd = options.cmd,
    init_options = { midfill = next(options.settings) and options.settings or vim.empty_dict() },
    capabilities = {
      textDocument = { inlineCompletion = { dynamicRegistration = false } },
      experimental = { midfill = { askInstruction = true } },
    },
    handlers = { ["window/showMessage"] = show_message },
    -- Files only, not the buffers of plugins such as fugitive://.
    root_dir = function(buf, start)
      local name = vim.api.nvim_buf_get_name(buf)
      if name ~= "" and not name:match("^%a[%w+.-]+://") then
        start(vim.fs.root(buf, ".git"))
      end
    end,
    -- One server, and so one copy of the models, whatever the number of projects.
    reuse_client = function(client, config)
      return client.name == config.name and not client:is_stopped()
    end,
  })

  local group = vim.api.nvim_create_augroup("midfill", {})
  vim.api.nvim_create_autocmd("LspAttach", {
    group = group,
    callback = function(event)
      local client = vim.lsp.get_client_by_id(event.data.client_id)
      if not client or client.name ~= "midfill" then
        return
      end
      if builtin then
        builtin.enable(true, { bufnr = event.buf })
      end
      if options.keymaps.accept then
        map_accept(event.buf, options.keymaps.accept)
      end
    end,
  })
  vim.api.nvim_create_autocmd({ "CursorMoved", "BufEnter", "InsertEnter" }, { group = group, callback = tell_cursor })
  if not builtin then
    require("midfill.ghost").enable(group, options.debounce_ms)
  end
  if options.progress then
    require("midfill.progress").enable(group)
  end
  require("midfill.commands").create()
  vim.lsp.enable("midfill")
end

return M
