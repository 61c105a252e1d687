#!/bin/sh
# Stands for a service: listens on the ports given and answers HTTP with "200 OK".
# Where the machine has neither perl nor busybox, or the ports are taken, it only waits.
if [ $# -gt 0 ] && command -v perl > /dev/null; then
  perl -e '
    use IO::Socket::INET;
    use IO::Select;
    my $select = IO::Select->new;
    for my $port (@ARGV) {
      my $socket = IO::Socket::INET->new(LocalPort => $port, Listen => 16, ReuseAddr => 1);
      $select->add($socket) if $socket;
    }
    exit 3 unless $select->count;
    while (1) {
      for my $socket ($select->can_read) {
        my $client = $socket->accept or next;
        if (IO::Select->new($client)->can_read(1)) {
          sysread $client, my $request, 4096;
          print $client "HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nok\n";
        }
        close $client;
      }
    }' "$@"
  [ $? -eq 3 ] || exit 1
elif command -v busybox > /dev/null; then
  answer=$(mktemp)
  printf '#!/bin/sh\nread -r request\nprintf "HTTP/1.0 200 OK\\r\\nContent-Length: 3\\r\\n\\r\\nok\\n"\n' > "$answer"
  chmod +x "$answer"
  for port in "$@"; do
    while :; do busybox nc -l -p "$port" -e "$answer" 2> /dev/null || sleep 1; done &
  done
fi
while :; do sleep 3600; done
