# Everybody on the VPN. Address, key, and whether it sits behind NAT.
[
  {
    name = "breakwater";
    ip = "203.0.113.2";
    publicKey = "chjUbVA08kBTvYqCqWapyz1DEv8F0PK//GQNtskG7nY=";
    routes = [ "192.0.2.0/24" ];
  }
  {
    name = "watchtower";
    ip = "203.0.113.10";
    publicKey = "+UkuKCGUeqRW7rMG9mvJ7iL+26yuZNxA11I//buE/BU=";
  }
  {
    name = "quay";
    ip = "203.0.113.11";
    publicKey = "T0dp2NC+D1hIYayiK3UL8S+wrKAJ9yfW2WZV+/Domg0=";
  }
  {
    name = "loom";
    ip = "203.0.113.12";
    publicKey = "PcB9yJCLE+lE0FqXDpduGWfHy3pcg9xXS5hbmhgCoFo=";
  }
  {
    name = "drydock";
    ip = "203.0.113.13";
    publicKey = "9J08uzmTDQ9k6pVr4OHUnl5MXg1wbQNyRuRUxN/w40s=";
  }
  {
    name = "anvil";
    ip = "203.0.113.14";
    publicKey = "4GIyojsT62+YSOKe+KOzIKgLMxTvvS4xpSiymg8yP34=";
  }
  {
    name = "bellows";
    ip = "203.0.113.15";
    publicKey = "R0k8lqj8mUBHdA3nGGPrbEryB6MlRb29DXHQGmyeLw4=";
  }
  {
    name = "silo";
    ip = "203.0.113.20";
    publicKey = "3aUeY+1gJ/Bk/gtPNBDuvWLyxk8U0TfPQtsOcbL+PXc=";
  }
  {
    name = "attic";
    ip = "203.0.113.21";
    publicKey = "j8YgAYG55jG+pGEA6AwXTrAKXeo5dgNfQUDT1k8xd08=";
  }
  {
    name = "inkwell";
    ip = "203.0.113.30";
    publicKey = "aseuJSpBBE8+4MLQHndCS+Y2//ajuniKBWgFFK1n4UA=";
  }
  {
    name = "porthole-lobby";
    ip = "203.0.113.41";
    publicKey = "gfcrhsHhlbyDgtSxxRvmc2ee5vRUTtniZ4Im9mUm/FY=";
  }
  {
    name = "porthole-workshop";
    ip = "203.0.113.42";
    publicKey = "cn+KKhToF0+/SWWNX3WOJW9DjF11Atb/DkRGY+e4xW0=";
  }
  {
    name = "porthole-canteen";
    ip = "203.0.113.43";
    publicKey = "zzJzDfIuk5zuUvVk36Gw9EmJaJ5MgOCqA8GWfU+sAmE=";
  }
  {
    name = "helm";
    ip = "203.0.113.61";
    publicKey = "cNCmafnsomGztY+XZAK3golhvrPzmSc4ZgTqCj9t73w=";
  }
  {
    name = "sextant";
    ip = "203.0.113.62";
    publicKey = "NlRYoESCDmsorvMBGpdfe8mJTTiR27LgBLz1YMFLel8=";
  }
  {
    name = "skiff";
    ip = "203.0.113.63";
    publicKey = "cFHIDrOh1sYW0FnQ+KYG25QPV9ut0Pg/zxCYny8PKSk=";
    roaming = true;
  }
  # Mara's phone
  {
    name = "phone-mara";
    ip = "203.0.113.100";
    publicKey = "V9hJTSXyS7TzWDh7aBWScM3Iw5bcK2uLW6Vrk5+CBUg=";
    roaming = true;
  }
]
