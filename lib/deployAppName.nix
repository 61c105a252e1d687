# deployAppName COMMANDS NAME: the name of the app that deploys; NAME itself,
# unless a command of that name is there already.
commands: name:
if commands ? ${name} then "deploy-${name}" else name
