; What the index keeps of a file besides its definitions: macros, variables, fields, and what is included.

[
  (preproc_def name: (identifier) @name)
  (preproc_function_def name: (identifier) @name)
] @definition.constant

(translation_unit (declaration declarator: [
  (identifier) @name
  (init_declarator declarator: [(identifier) @name (pointer_declarator declarator: (identifier) @name)])
]) @definition.constant)

(type_definition declarator: (type_identifier) @name) @definition.constant

(field_declaration declarator: [
  (field_identifier) @name
  (pointer_declarator declarator: (field_identifier) @name)
  (array_declarator declarator: (field_identifier) @name)
]) @definition.field

(preproc_include path: (_) @module) @import.all
