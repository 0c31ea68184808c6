[
  (create_function (keyword_function) . (object_reference) @name (function_body)? @body)
  (create_procedure (keyword_procedure) . (object_reference) @name (procedure_body)? @body)
  (create_trigger (keyword_trigger) . (object_reference) @name)
] @definition.function
