# The release that the fleet follows.
{
  release = "26.05";
  codeName = "Standin";
}
