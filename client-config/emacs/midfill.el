;;; midfill.el --- Completion and verified edits by a model on your own machine -*- lexical-binding: t; -*-

;; Version: 0.1.0
;; Package-Requires: ((emacs "28.1"))
;; Keywords: convenience, languages
;; SPDX-License-Identifier: Apache-2.0

;;; Commentary:

;; Starts the language server `midfill serve' for every programming mode.
;; With lsp-mode 10 suggestions are ghost text, beside any other server; call
;; `lsp-deferred' in your modes as ever.  With eglot they are completions; see
;; `midfill-eglot'.

;;; Code:

(require 'seq)
(require 'subr-x)

(defgroup midfill nil
  "Completion and edits by a language model on this machine."
  :group 'tools)

(defcustom midfill-command '("midfill" "serve")
  "The program that is the server, and its arguments."
  :type '(repeat string))

(defcustom midfill-settings nil
  "Settings of the server, as a property list: (:multiline :json-false)."
  :type 'plist)

(defcustom midfill-delay 0.1
  "Seconds without a key before lsp-mode asks for a suggestion."
  :type 'number)

(defcustom midfill-patience 180
  "Seconds to wait for an edit; what the clients wait by themselves is ten."
  :type 'number)

(defvar lsp-inline-completion-active-map)
(defvar lsp-inline-completion-idle-delay)
(defvar lsp-response-timeout)
(defvar eglot-server-programs)
(defvar jsonrpc-default-request-timeout)
(declare-function eglot "eglot")
(declare-function eglot--pos-to-lsp-position "eglot")
(declare-function eglot--TextDocumentIdentifier "eglot")
(declare-function eglot-current-server "eglot")
(declare-function jsonrpc-async-request "jsonrpc")
(declare-function lsp--text-document-identifier "lsp-mode")
(declare-function lsp-inline-completion--define-key "lsp-inline-completion")
(declare-function lsp-point-to-position "lsp-mode")
(declare-function lsp-register-client "lsp-mode")
(declare-function lsp-request-async "lsp-mode")
(declare-function lsp-stdio-connection "lsp-mode")
(declare-function make-lsp-client "lsp-mode")

;;;; lsp-mode

(with-eval-after-load 'lsp-mode
  (lsp-register-client
   (make-lsp-client
    :new-connection (lsp-stdio-connection (lambda () midfill-command))
    :activation-fn (lambda (_file mode) (provided-mode-derived-p mode 'prog-mode))
    :initialization-options (lambda () midfill-settings)
    :add-on? t
    :multi-root t
    :server-id 'midfill))
  (advice-add 'lsp-request :around #'midfill--patiently))

(defun midfill--patiently (request method &rest more)
  "Call REQUEST with METHOD and MORE, and wait longer where a model answers."
  (let ((lsp-response-timeout (if (and lsp-response-timeout (equal method "codeAction/resolve"))
                                  (max midfill-patience lsp-response-timeout)
                                lsp-response-timeout)))
    (apply request method more)))

(with-eval-after-load 'lsp-inline-completion
  (setq lsp-inline-completion-idle-delay midfill-delay)
  (dolist (key '("TAB" "<tab>"))
    (lsp-inline-completion--define-key
     lsp-inline-completion-active-map (kbd key) 'lsp-inline-completion-accept 'keep))
  (dolist (next '(("M-n" . lsp-inline-completion-next) ("M-p" . lsp-inline-completion-prev)))
    (lsp-inline-completion--define-key
     lsp-inline-completion-active-map (kbd (car next)) (cdr next) 'keep))
  ;; These move the cursor everywhere else in Emacs.
  (dolist (key '("C-n" "C-p"))
    (define-key lsp-inline-completion-active-map (kbd key) nil)))

;;;; eglot

;;;###autoload
(defun midfill-eglot ()
  "Use Midfill in this buffer by eglot, which has one server a buffer."
  (interactive)
  (require 'eglot)
  (setq-local jsonrpc-default-request-timeout (max midfill-patience jsonrpc-default-request-timeout))
  (setq-local eglot-server-programs
              (list (cons major-mode
                          (append midfill-command
                                  (and midfill-settings
                                       (list :initializationOptions midfill-settings))))))
  (call-interactively #'eglot))

;;;; Commands, for either

(defun midfill--lsp-mode-p ()
  "Whether this buffer's client is lsp-mode; an error where there is none."
  (cond ((bound-and-true-p lsp-managed-mode) t)
        ((and (fboundp 'eglot-current-server) (eglot-current-server)) nil)
        (t (user-error "Neither lsp-mode nor eglot runs in this buffer"))))

(defun midfill--ask (method params answered)
  "Send METHOD with PARAMS.
Call ANSWERED with the result, a function from key to value."
  (if (midfill--lsp-mode-p)
      (lsp-request-async
       method params
       (lambda (result)
         (funcall answered
                  (lambda (key)
                    (cond ((hash-table-p result) (gethash (substring (symbol-name key) 1) result))
                          (t (plist-get result key))))))
       :error-handler (lambda (problem) (message "Midfill: %s" problem))
       :mode 'detached)
    (jsonrpc-async-request
     (eglot-current-server) (intern (concat ":" method)) params
     :success-fn (lambda (result) (funcall answered (lambda (key) (plist-get result key))))
     :error-fn (lambda (problem) (message "Midfill: %s" (plist-get problem :message)))
     ;; Not before eglot has told the server what was typed last.
     :deferred (intern method)
     :timeout (* 2 midfill-patience))))

(defun midfill--document ()
  "What the protocol calls the file of this buffer."
  (if (midfill--lsp-mode-p) (lsp--text-document-identifier) (eglot--TextDocumentIdentifier)))

(defun midfill--place (point)
  "What the protocol calls POINT."
  (if (midfill--lsp-mode-p) (lsp-point-to-position point) (eglot--pos-to-lsp-position point)))

(defun midfill-refactor (instruction start end)
  "Change code as INSTRUCTION says.
It is the region from START to END, or the definition at point."
  (interactive
   (list (read-string "Refactor: ")
         (if (use-region-p) (region-beginning) (point))
         (if (use-region-p) (region-end) (point))))
  (message "Midfill is at work...")
  (midfill--ask
   "workspace/executeCommand"
   (list :command "midfill.refactor"
         :arguments (vector (list :uri (plist-get (midfill--document) :uri)
                                  :range (list :start (midfill--place start) :end (midfill--place end))
                                  :instruction instruction)))
   (lambda (result)
     (message "Midfill: %s" (or (funcall result :reason) "done")))))

(defun midfill-why ()
  "Tell why there was a suggestion in this buffer, or none."
  (interactive)
  (midfill--ask
   "midfill/explain" (list :textDocument (midfill--document))
   (lambda (result)
     (message "Midfill: %s"
              (or (funcall result :message) (funcall result :reason) (funcall result :outcome)
                  "nothing was asked for yet")))))

(provide 'midfill)
;;; midfill.el ends here
