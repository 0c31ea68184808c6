; What the index keeps of a file besides its definitions: constants, fields, and what is imported from where.

(source_file (const_declaration (const_spec name: (identifier) @name) @definition.constant))
(source_file (var_declaration [
  (var_spec name: (identifier) @name) @definition.constant
  (var_spec_list (var_spec name: (identifier) @name) @definition.constant)
]))

(field_declaration name: (field_identifier) @name) @definition.field

(method_declaration
  receiver: (parameter_list (parameter_declaration type: [
    (type_identifier) @container
    (generic_type type: (type_identifier) @container)
    (pointer_type [(type_identifier) @container (generic_type type: (type_identifier) @container)])
  ]))
  name: (field_identifier) @name) @definition.method

(import_spec name: (package_identifier)? @alias path: (interpreted_string_literal) @module) @import
