{ library }:
builtins.attrNames (import library) ++ builtins.attrNames builtins
