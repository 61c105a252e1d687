# A package by its name. Each of its programs runs the machine's own program of that
# name, and says so where the machine has none.
{
  lib,
  builder,
  programs,
}:
let
  # Programs that wait for a device when there is one; without it they wait as well.
  waiting = [ "scanimage" ];

  build =
    pname: changes:
    let
      base = builtins.head (builtins.split "_[0-9.]+$" pname);
      own = programs.${pname} or programs.${base} or [ base ];
      drv = builder (
        changes
        // {
          name = "${lib.sanitizeDerivationName pname}-standin";
          inherit pname;
          programs = own;
          script = ''
            mkdir -p "$out/bin" "$out/share/standin"
            echo "$pname" > "$out/share/standin/package"
            for program in $programs; do
              cat > "$out/bin/$program" <<EOF
            #!/bin/sh
            for directory in /usr/local/bin /usr/bin /bin /usr/sbin /sbin; do
              if [ -x "\$directory/$program" ]; then exec "\$directory/$program" "\$@"; fi
            done
            echo "$program: $pname is a stand-in, and this machine has no $program" >&2
            case $program in ${lib.concatStringsSep "|" waiting}) exec sleep 2147483647 ;; esac
            exit 127
            EOF
              chmod +x "$out/bin/$program"
            done
          '';
        }
      );
      self =
        drv
        // lib.genAttrs [
          "bin"
          "cli"
          "dev"
          "doc"
          "lib"
          "man"
        ] (_: self)
        // {
          inherit pname;
          version = "standin";
          meta = {
            mainProgram = builtins.head own;
            description = "stand-in for ${pname}";
            platforms = lib.platforms.all;
            available = true;
          };
          passthru = { };
          src = "${drv}/share/standin";
          outputs = [ "out" ];
          # Arguments are lost, but not unseen: another argument, another package.
          override = arguments: if lib.isFunction arguments then self else build pname (visible arguments);
          overrideAttrs =
            change:
            let
              changed =
                if lib.isFunction change then
                  let
                    once = change self;
                  in
                  if lib.isFunction once then change self self else once
                else
                  change;
            in
            build pname (changes // visible changed) // lib.optionalAttrs (changed ? meta) { meta = self.meta // changed.meta; };
          overrideDerivation = change: build pname (visible (change self));
          withPackages =
            select: build pname { extra = map toString (lib.filter lib.isDerivation (select (everything pname))); };
          pkgs = everything pname;
        }
        // lib.optionalAttrs (lib.elem base [
          "bash"
          "bashInteractive"
          "dash"
          "fish"
          "zsh"
        ]) { shellPath = "/bin/${builtins.head own}"; };
    in
    self;

  # What can be an argument of a derivation.
  visible =
    arguments:
    let
      kept = lib.filterAttrs (
        name: value:
        !lib.elem name [
          "meta"
          "passthru"
          "name"
          "pname"
          "outputs"
          "script"
          "src"
        ]
        && !lib.isFunction value
        && (!lib.isAttrs value || value ? outPath)
      ) arguments;
    in
    lib.mapAttrs (_: value: value) kept;

  # The sets that some packages have for what extends them.
  everything =
    pname:
    lib.genAttrs (
      if lib.hasPrefix "python3" pname then
        (builtins.fromJSON (builtins.readFile ./names.json)).python3Packages
      else
        [ ]
    ) (name: build name { });
in
name: build name { }
