# Runs a command and cuts it off at one of its writes. Perl, as every Debian has it.
#
#   perl cut.pl run ORDER COMMAND...   obey ORDER
#   perl cut.pl                        by sshd, for every login: obey the first line of its orders
#
# ORDER: `pass`; `record` counts, and keeps what was sent; `kill PLACE` ends all of it before the change
# at that place; `late PLACE` a moment after that one was begun; `alone PLACE` ends only what is our
# own, and what apt and dpkg are at goes on without it; `full N` has the disk full from the Nth change
# on that takes room; `strike PLACE COMMAND` runs a shell command before the change, and goes on.
# PLACE: N, its number; or KIND:TEXT, the first one of that kind that has this text, which holds no
# blank, in its object.
#
# The kernel stops the command, and all that it starts, before each call that may change something,
# and asks this program (seccomp, user notification: seccomp_unotify(2)). What is a change of the
# host is counted and written to the log: number, kind, what, and `own`, or `borrowed` where apt,
# dpkg or grub-mkconfig makes it, or what they have started. What systemd does at the command's
# request is not below it, and goes on.
use strict;
use warnings;
use POSIX qw(:sys_wait_h);

my $HOME_OF = '/var/lib/faults';
my $MOMENT  = 0.03;

# Numbers of x86-64.
my %CALL = (
    1 => 'write', 18 => 'write', 20 => 'write', 296 => 'write', 326 => 'write', 40 => 'write',
    2 => 'open', 257 => 'open', 85 => 'open',
    44 => 'send', 46 => 'send',
    59 => 'exec', 322 => 'exec',
    76 => 'truncate', 77 => 'truncate',
    82 => 'rename', 264 => 'rename', 316 => 'rename',
    83 => 'mkdir', 258 => 'mkdir',
    84 => 'rmdir',
    86 => 'link', 265 => 'link', 88 => 'link', 266 => 'link',
    87 => 'unlink', 263 => 'unlink',
    90 => 'mode', 91 => 'mode', 268 => 'mode', 452 => 'mode',
    92 => 'owner', 93 => 'owner', 94 => 'owner', 260 => 'owner',
);
# Which argument is a path, or the number of an open file; of the latter, all that begins below.
my %PATH = (
    2 => 0, 85 => 0, 257 => 1, 59 => 0, 322 => 1, 76 => 0, 82 => 1, 264 => 3, 316 => 3, 83 => 0,
    258 => 1, 84 => 0, 86 => 1, 265 => 3, 88 => 1, 266 => 2, 87 => 0, 263 => 1, 90 => 0, 268 => 1,
    452 => 1, 92 => 0, 94 => 0, 260 => 1,
);
my %FILE = (1 => 0, 18 => 0, 20 => 0, 296 => 0, 44 => 0, 46 => 0, 77 => 0, 91 => 0, 93 => 0, 326 => 2, 40 => 0);
# Opened for reading alone is no change: O_WRONLY, O_RDWR, O_CREAT, O_TRUNC.
my %FLAGS   = (2 => 1, 257 => 2);
my $CHANGES = 0x243;
# What takes room, but not where the disk is none.
my %GROWS    = map { $_ => 1 } qw(create write mkdir link rename);
my $IS_NO_DISK = qr{^/(proc|sys|dev|run)/};

# What a program asks a service for, by its name and first word that is no option.
my %ASKS = (
    'systemctl' => qr/^(start|stop|restart|try-restart|reload|daemon-reload|reset-failed|kill)$/,
    'systemd-run' => qr//, 'modprobe' => qr//, 'apt-get' => qr/^install$/, 'dpkg' => qr/^(?!-)/,
);
my $BORROWED = qr/^(apt-get|apt-mark|dpkg|grub-mkconfig)$/;
my $SAYS = qr/\bSET\b.*\r\n|BGSAVE|\b(CREATE|DROP|ALTER|COMMENT ON) |pg_reload_conf|RELOAD/s;

# Exit statuses, by process.
my %ended;

my ($seccomp, $prctl, $clone, $poll) = (317, 157, 56, 7);

exit main(@ARGV);

sub main {
    my ($word, $order, @command) = @_;
    return obey($order, @command) if ($word // '') eq 'run';
    my @login = ($ENV{SHELL} // '/bin/sh', defined $ENV{SSH_ORIGINAL_COMMAND} ? ('-c', $ENV{SSH_ORIGINAL_COMMAND}) : ());
    $order = next_order() // 'pass';
    return obey($order, @login) if $order ne 'pass';
    { no warnings 'exec'; exec { $login[0] } @login }
    return 127;
}

sub next_order {
    open my $orders, '<', "$HOME_OF/orders" or return undef;
    my ($first, @rest) = <$orders>;
    return undef if !defined $first;
    open my $kept, '>', "$HOME_OF/orders.new" or die $!;
    print $kept @rest;
    close $kept;
    rename "$HOME_OF/orders.new", "$HOME_OF/orders";
    chomp $first;
    return $first;
}

sub obey {
    my ($what, $place, $strike) = split ' ', shift, 3;
    my $name = $what eq 'record' ? keep_program() . '.log' : 'log';
    open my $log, '>', "$HOME_OF/$name" or die $!;
    $log->autoflush(1);
    # Orphans of the command become our children, so that none gets away.
    syscall($prctl, 36, 1, 0, 0, 0);
    my ($pid, $listener) = start(@_);
    my $count = 0;
    while (defined(my $call = next_call($listener))) {
        my ($kind, $text) = $call->{nr} ? change_of($call) : ();
        my $is_point = defined $kind
            && ($what ne 'full' || ($GROWS{$kind} && $text !~ $IS_NO_DISK));
        print $log join("\t", ++$count, $kind, $text, maker($call->{pid}, $pid)), "\n" if $is_point;
        if ($is_point && $what ne 'full' && is_at($place, $count, $kind, $text)) {
            $place = 0;
            if ($what eq 'alone') { end_all($pid, 1); leave_alone(); answer($listener, $call, 0); next }
            if ($what eq 'strike') { system 'sh', '-c', $strike; answer($listener, $call, 0); next }
            if ($what eq 'late') { answer($listener, $call, 0); select undef, undef, undef, $MOMENT }
            end_all($pid);
            return 137;
        }
        answer($listener, $call, $is_point && $what eq 'full' && $count >= $place ? -28 : 0);
    }
    $ended{$pid} = $? if waitpid($pid, 0) > 0;
    return $ended{$pid} >> 8;
}

sub is_at {
    my ($place, $count, $kind, $text) = @_;
    return $count == ($place // 0) if ($place // '') !~ /^([a-z]+):(.*)/;
    return $kind eq $1 && index($text, $2) >= 0;
}

# What comes in on standard input is kept, to be run again; the name it is kept under.
sub keep_program {
    my $at = 1;
    $at++ while -e "$HOME_OF/program.$at";
    open my $kept, '>', "$HOME_OF/program.$at" or die $!;
    while (sysread STDIN, my $text, 65536) { print $kept $text }
    close $kept;
    open STDIN, '<', "$HOME_OF/program.$at" or die $!;
    return "program.$at";
}

# Start the command with the filter. The child shares our open files until it has become the
# command, so the listener that it makes is ours too.
sub start {
    my @command = @_;
    my $filter = filter();
    my $program = pack 'S x6 P', length($filter) / 8, $filter;
    pipe my $ready, my $tell or die $!;
    my $pid = syscall($clone, 0x400 | 17, 0, 0, 0, 0);
    if ($pid == 0) {
        # For new listeners only deadly signals end the wait for an answer.
        my $fd = syscall($seccomp, 1, 8 | 32, $program);
        POSIX::_exit(125) if $fd < 0;
        { no warnings 'exec'; exec { $command[0] } @command }
        POSIX::_exit(127);
    }
    # The lowest number that was free.
    my $listener = fileno($tell) + 1;
    for (1 .. 1000) {
        last if (readlink("/proc/self/fd/$listener") // '') =~ /seccomp/;
        select undef, undef, undef, 0.001;
    }
    return ($pid, $listener);
}

sub filter {
    my ($load, $equal, $any, $return) = (0x20, 0x15, 0x45, 0x06);
    my ($ask, $allow) = (0x7fc00000, 0x7fff0000);
    my $code = '';
    for my $nr (sort { $a <=> $b } keys %CALL) {
        $code .= pack 'SCCL', $load, 0, 0, 0;
        if (defined(my $argument = $FLAGS{$nr})) {
            $code .= pack 'SCCL', $equal, 0, 4, $nr;
            $code .= pack 'SCCL', $load, 0, 0, 16 + 8 * $argument;
            $code .= pack 'SCCL', $any, 0, 1, $CHANGES;
            $code .= pack 'SCCL', $return, 0, 0, $ask;
            $code .= pack 'SCCL', $return, 0, 0, $allow;
        } else {
            $code .= pack 'SCCL', $equal, 0, 1, $nr;
            $code .= pack 'SCCL', $return, 0, 0, $ask;
        }
    }
    return $code . pack 'SCCL', $return, 0, 0, $allow;
}

# The next call that is asked about; undef when nobody is left who could make one. Before Linux 6.11
# that is told only once the dead are buried.
sub next_call {
    my ($listener) = @_;
    while (1) {
        my $polled = pack 'lss', $listener, 1, 0;
        syscall($poll, $polled, 1, 100);
        my $events = (unpack 'lss', $polled)[2];
        if (!$events) { bury(); next }
        return undef if !($events & 1);
        my $notice = "\0" x 80;
        # SECCOMP_IOCTL_NOTIF_RECV; who asked may be dead by now.
        next if syscall(16, $listener, 0xc0502100, $notice) < 0;
        my ($id, $pid, $flags, $nr, $arch, $ip, @arguments) = unpack 'QLLlLQQ6', $notice;
        return { id => $id, pid => $pid, nr => $nr, arguments => \@arguments };
    }
}

sub bury {
    while ((my $pid = waitpid -1, WNOHANG) > 0) { $ended{$pid} = $? }
}

# Let a call go on, or have it fail.
sub answer {
    my ($listener, $call, $error) = @_;
    my $reply = pack 'QqlL', $call->{id}, 0, $error, $error ? 0 : 1;
    syscall(16, $listener, 0xc0182101, $reply);
}

# Kind and object of what a call changes on the host; nothing where it changes nothing.
sub change_of {
    my ($call) = @_;
    my ($nr, $pid) = @{$call}{qw(nr pid)};
    my $kind = $CALL{$nr};
    if ($kind eq 'exec') { return asked_by($call) }
    my $text;
    if (defined(my $at = $FILE{$nr})) {
        $text = readlink("/proc/$pid/fd/" . $call->{arguments}[$at]) // return;
        return said_by($call) if $text =~ /^socket:/;
        return if $kind eq 'send';
    } else {
        $text = text_at($pid, $call->{arguments}[$PATH{$nr}]);
    }
    return if $text !~ m{^/|^[^:]*$} || $text =~ m{^(/dev/(null|tty|pts)|/proc/self|$HOME_OF)};
    my $place = "/proc/$pid/" . ($text =~ m{^/} ? "root$text" : "cwd/$text");
    # A directory that is there is refused for that, whether there is room or not.
    return if $kind eq 'mkdir' && -e $place;
    return ($kind eq 'open' && !-e $place ? 'create' : $kind, $text);
}

# Whose change it is that a process below the command makes.
sub maker {
    my ($pid, $command) = @_;
    while ($pid > 1) {
        open my $stat, '<', "/proc/$pid/stat" or last;
        my ($name, $above) = (<$stat> // '') =~ /^\d+ \((.*)\) \S (\d+)/s or last;
        return 'borrowed' if $name =~ $BORROWED;
        last if $pid == $command;
        $pid = $above;
    }
    return 'own';
}

sub asked_by {
    my ($call) = @_;
    my $at = $PATH{ $call->{nr} };
    my $path = text_at($call->{pid}, $call->{arguments}[$at]);
    my ($name) = $path =~ m{([^/]*)$};
    my $known = $ASKS{$name} // return;
    # A name is tried in one directory after the other.
    return if !-e "/proc/$call->{pid}/root$path";
    my @words = words_at($call->{pid}, $call->{arguments}[$at + 1]);
    my ($verb) = grep { !/^-/ } @words[1 .. $#words];
    return ('ask', join ' ', @words[0 .. ($#words < 3 ? $#words : 3)]) if ($verb // '') =~ $known;
    return;
}

sub said_by {
    my ($call) = @_;
    my ($place, $size) = @{ $call->{arguments} }[1, 2];
    if ($call->{nr} != 1 && $call->{nr} != 44) {
        my $vector = $call->{nr} == 46 ? memory($call->{pid}, $place + 16, 8) : pack 'Q', $place;
        ($place, $size) = unpack 'QQ', memory($call->{pid}, unpack('Q', $vector), 16);
    }
    my $text = memory($call->{pid}, $place, $size > 4096 ? 4096 : $size);
    return $text =~ $SAYS ? ('say', join ' ', $text =~ /([[:print:]]{3,})/g) : ();
}

sub memory {
    my ($pid, $place, $size) = @_;
    open my $memory, '<:raw', "/proc/$pid/mem" or return '';
    sysseek $memory, $place, 0;
    my $text = '';
    sysread $memory, $text, $size;
    return $text;
}

sub text_at {
    my ($pid, $place) = @_;
    return '' if !$place;
    # Up to the end of its page: what is behind that may not be there.
    my $text = memory($pid, $place, 4096 - $place % 4096);
    $text .= memory($pid, $place + length $text, 4096) if $text !~ /\0/;
    return (split /\0/, $text, 2)[0] // '';
}

sub words_at {
    my ($pid, $place) = @_;
    my @words;
    while (@words < 30 and my $word = unpack 'Q', memory($pid, $place + 8 * @words, 8) || return @words) {
        push @words, text_at($pid, $word);
    }
    return @words;
}

# Whoever waits for us goes on, as if we were dead as well; we see to the calls of what is left.
sub leave_alone {
    POSIX::_exit(137) if fork;
    open STDIN, '<', '/dev/null';
    open STDOUT, '>', '/dev/null';
    open STDERR, '>', '/dev/null';
}

# Kill everything below, or just our own, however often it has forked meanwhile.
sub end_all {
    my ($first, $is_own) = @_;
    while (1) {
        my %parent;
        for my $path (glob '/proc/[0-9]*/stat') {
            open my $stat, '<', $path or next;
            my ($pid, $state, $ppid) = (<$stat> // '') =~ /^(\d+) \(.*\) (\S) (\d+)/s or next;
            $parent{$pid} = $ppid if $state ne 'Z';
        }
        my @below = grep { my $at = $_; $at = $parent{$at} // 0 while $at && $at != $$; $at == $$ && $_ != $$ } keys %parent;
        @below = grep { maker($_, $first) eq 'own' } @below if $is_own;
        bury();
        return if !@below;
        kill KILL => @below;
        select undef, undef, undef, 0.002;
    }
}
