; What the index keeps of a file besides its definitions: constants, fields, and what is imported from where.

(program [
  (lexical_declaration (variable_declarator name: (identifier) @name))
  (export_statement declaration: (lexical_declaration (variable_declarator name: (identifier) @name)))
] @definition.constant)

(class_body (field_definition property: (property_identifier) @name) @definition.field)

; A default import has the name that the importing file gives it, as a rule that of the definition.
(import_statement (import_clause (identifier) @name) source: (string (string_fragment) @module)) @import

(import_statement
  (import_clause (named_imports (import_specifier name: (_) @name alias: (identifier)? @alias)))
  source: (string (string_fragment) @module)) @import

(import_statement
  (import_clause (namespace_import (identifier) @alias))
  source: (string (string_fragment) @module)) @import

((variable_declarator
   name: [(identifier) @alias (object_pattern (shorthand_property_identifier_pattern) @name)]
   value: (call_expression
     function: (identifier) @_require
     arguments: (arguments (string (string_fragment) @module)))) @import
  (#eq? @_require "require"))
