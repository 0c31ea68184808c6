; A later pattern wins over an earlier one for the same name; the widest range wins always.

(function_definition name: (identifier) @name body: (block) @body) @definition.function

(class_definition name: (identifier) @name body: (block) @body) @definition.class

(class_definition
  body: (block
    (function_definition name: (identifier) @name body: (block) @body) @definition.method))

(decorated_definition
  definition: (function_definition name: (identifier) @name body: (block) @body)) @definition.function

(decorated_definition
  definition: (class_definition name: (identifier) @name body: (block) @body)) @definition.class

(class_definition
  body: (block
    (decorated_definition
      definition: (function_definition name: (identifier) @name body: (block) @body)) @definition.method))
