; inherits: c

(alias_declaration name: (type_identifier) @name) @definition.constant
