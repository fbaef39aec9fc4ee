# Net::SFTP::Foreign, as its documentation shows it. It speaks through OpenSSH's ssh.
use strict;
use warnings;

use Net::SFTP::Foreign;

my ($verb, $port, $key, $known_hosts) = @ARGV;
my $inbox = '/test/inbox';
my $sftp = Net::SFTP::Foreign->new(
    '127.0.0.1',
    user => 'lokeren',
    port => $port,
    more => [
        '-F' => '/dev/null', '-i' => $key, '-o' => "UserKnownHostsFile=$known_hosts", '-o' => 'IdentitiesOnly=yes',
        '-o' => 'BatchMode=yes', '-o' => 'LogLevel=ERROR',
    ],
);
$sftp->die_on_error('cannot log in');

sub must {
    my ($done) = @_;
    $done or die $sftp->error;
}

sub refusal {
    my ($done) = @_;
    print $sftp->error, "\n" unless $done;
}

sub transfer {
    my %names = map { $_->{filename} => $_->{longname} } @{ $sftp->ls('/') };
    exists $names{$_} or die "$_ is missing" for qw(LEESMIJ.txt inbox outbox test);
    must($sftp->get('/test/outbox/voorbeeldlijst.csv', 'voorbeeldlijst.csv'));
    must($sftp->put('a.csv', "$inbox/a.csv"));
    must($sftp->put('a.csv', "$inbox/b.csv.part"));
    must($sftp->rename("$inbox/b.csv.part", "$inbox/b.csv"));
    must($sftp->put('half.csv', "$inbox/c.csv.part"));
    must($sftp->put('a.csv', "$inbox/c.csv.part"));
    must($sftp->atomic_rename("$inbox/c.csv.part", "$inbox/c.csv"));
    must($sftp->put('a.csv', "$inbox/weg.csv.part"));
    must($sftp->remove("$inbox/weg.csv.part"));
    refusal($sftp->put('a.csv', '/a.csv'));
    refusal($sftp->put('a.csv', "$inbox/a.pdf"));
    refusal($sftp->remove('/LEESMIJ.txt'));
}

sub break_off {
    open my $source, '<:raw', 'lijst.csv.age' or die $!;
    read $source, my $bytes, 100_000;
    my $upload = $sftp->open("$inbox/lijst.csv.age", Net::SFTP::Foreign::Constants::SSH2_FXF_WRITE()
        | Net::SFTP::Foreign::Constants::SSH2_FXF_CREAT() | Net::SFTP::Foreign::Constants::SSH2_FXF_TRUNC());
    must($upload);
    must($sftp->write($upload, $bytes));
    must($sftp->flush($upload));
    # Without its own destructors, which would close the file.
    kill 'KILL', $sftp->{pid};
    require POSIX;
    POSIX::_exit(9);
}

sub resume {
    must($sftp->put('lijst.csv.age', "$inbox/lijst.csv.age", resume => 1));
    must($sftp->get('/LEESMIJ.txt', 'LEESMIJ.txt', resume => 1));
}

{ transfer => \&transfer, break => \&break_off, resume => \&resume }->{$verb}->();
