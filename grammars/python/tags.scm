; What the index keeps of a file besides its definitions: constants, fields, and what is imported from where.

(module (expression_statement (assignment left: (identifier) @name) @definition.constant))
(module (type_alias_statement left: (type (identifier) @name)) @definition.constant)

(class_definition body: (block (expression_statement (assignment left: (identifier) @name) @definition.field)))

(class_definition body: (block [
  (function_definition name: (identifier) @_init body: (block (expression_statement
    (assignment left: (attribute object: (identifier) @_self attribute: (identifier) @name)) @definition.field)))
] (#eq? @_init "__init__") (#eq? @_self "self")))

(import_statement name: [
  (dotted_name) @module
  (aliased_import name: (dotted_name) @module alias: (identifier) @alias)
]) @import

(import_from_statement module_name: (_) @module name: [
  (dotted_name) @name
  (aliased_import name: (dotted_name) @name alias: (identifier) @alias)
]) @import

(import_from_statement module_name: (_) @module (wildcard_import)) @import.all
