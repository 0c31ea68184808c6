; What the index keeps of a file besides its definitions: constants, fields, and what is imported from where.

[
  (const_item name: (identifier) @name)
  (static_item name: (identifier) @name)
] @definition.constant

(field_declaration name: (field_identifier) @name) @definition.field

(use_declaration argument: [
  (identifier) @name
  (scoped_identifier path: (_) @module name: (identifier) @name)
  (use_as_clause path: (scoped_identifier path: (_) @module name: (identifier) @name) alias: (identifier) @alias)
  (scoped_use_list path: (_) @module list: (use_list [
    (identifier) @name
    (use_as_clause path: (identifier) @name alias: (identifier) @alias)
  ]))
]) @import

; use a::{b::c, d::{e, f}}
(use_list [
  (scoped_identifier path: (_) @module name: (identifier) @name)
  (scoped_use_list path: (_) @module list: (use_list (identifier) @name))
]) @import

(use_wildcard (_) @module) @import.all
