# scrape { job, targets }: one job of Prometheus.
{ lib }:
{
  job,
  port,
  hosts,
  interval ? "30s",
  labels ? { },
}:
{
  job_name = job;
  scrape_interval = interval;
  static_configs = map (host: {
    targets = [ "${host}.harbour.example:${toString port}" ];
    labels = labels // {
      instance = host;
    };
  }) hosts;
}
