# Lists.
{ lib }:
rec {
  inherit (builtins)
    all
    any
    concatLists
    concatMap
    elem
    elemAt
    filter
    foldl'
    genList
    groupBy
    head
    isList
    length
    map
    partition
    sort
    tail
    ;

  singleton = value: [ value ];
  forEach = list: function: map function list;
  toList = value: if isList value then value else [ value ];
  optional = condition: value: if condition then [ value ] else [ ];
  optionals = condition: list: if condition then list else [ ];
  foldr =
    function: start: list:
    let
      count = length list;
      from = index: if index == count then start else function (elemAt list index) (from (index + 1));
    in
    from 0;
  fold = foldr;
  foldl = foldl';
  imap0 = function: list: genList (index: function index (elemAt list index)) (length list);
  imap1 = function: imap0 (index: function (index + 1));
  last = list: elemAt list (length list - 1);
  init = list: take (length list - 1) list;
  take = count: sublist 0 count;
  drop = count: list: sublist count (length list) list;
  takeEnd = count: list: drop (length list - count) list;
  dropEnd = count: list: take (length list - count) list;
  sublist =
    start: count: list:
    let
      available = length list - start;
      size = if available < count then available else count;
    in
    genList (index: elemAt list (start + index)) (if size < 0 then 0 else size);
  reverseList =
    list:
    let
      count = length list;
    in
    genList (index: elemAt list (count - index - 1)) count;
  range = first: end: if first > end then [ ] else genList (index: first + index) (end - first + 1);
  replicate = count: value: genList (_: value) count;
  count = condition: list: length (filter condition list);
  remove = value: filter (other: other != value);
  subtractLists = without: filter (value: !elem value without);
  intersectLists = other: filter (value: elem value other);
  mutuallyExclusive = a: b: !any (value: elem value b) a;
  unique = foldl' (seen: value: if elem value seen then seen else seen ++ [ value ]) [ ];
  uniqueStrings =
    list:
    builtins.attrNames (
      builtins.listToAttrs (
        map (name: {
          inherit name;
          value = null;
        }) list
      )
    );
  allUnique = list: length (unique list) == length list;
  flatten = value: if isList value then concatMap flatten value else [ value ];
  findFirst =
    condition: default: list:
    let
      found = filter condition list;
    in
    if found == [ ] then default else head found;
  findSingle =
    condition: none: many: list:
    let
      found = filter condition list;
    in
    if found == [ ] then
      none
    else if length found > 1 then
      many
    else
      head found;
  lists = {
    inherit
      findFirst
      flatten
      optional
      optionals
      unique
      ;
  };
  zipListsWith =
    function: a: b:
    genList (index: function (elemAt a index) (elemAt b index)) (lib.min (length a) (length b));
  zipLists = zipListsWith (fst: snd: { inherit fst snd; });
  crossLists =
    function: foldl' (functions: values: concatMap (f: map f values) functions) [ function ];
  sortOn = key: sort (a: b: key a < key b);
  naturalSort = sort (a: b: lib.versionOlder a b);
  compareLists =
    compare: a: b:
    if a == [ ] && b == [ ] then
      0
    else if a == [ ] then
      -1
    else if b == [ ] then
      1
    else
      let
        first = compare (head a) (head b);
      in
      if first == 0 then compareLists compare (tail a) (tail b) else first;
  groupBy' =
    function: start: key: list:
    lib.mapAttrs (_: foldl' function start) (groupBy key list);
  hasPrefixList = prefix: list: take (length prefix) list == prefix;
}
