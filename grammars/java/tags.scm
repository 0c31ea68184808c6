; What the index keeps of a file besides its definitions: fields, and what is imported from where.

(field_declaration declarator: (variable_declarator name: (identifier) @name)) @definition.field

(enum_constant name: (identifier) @name) @definition.field

(import_declaration (scoped_identifier scope: (_) @module name: (identifier) @name) . ) @import
(import_declaration (scoped_identifier) @module (asterisk)) @import.all
