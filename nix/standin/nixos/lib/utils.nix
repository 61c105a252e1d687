# Names of units and paths, as modules compute them.
{ lib }:
{
  escapeSystemdPath = lib.escapeSystemdPath;
  escapeSystemdExecArg = builtins.toJSON;
  escapeSystemdExecArgs = lib.concatMapStringsSep " " builtins.toJSON;
  toShellPath = shell: if shell ? shellPath then "${shell}${shell.shellPath}" else toString shell;
  removePackagesByName =
    packages: without:
    let
      names = map lib.getName without;
    in
    lib.filter (package: !builtins.elem (lib.getName package) names) packages;
}
