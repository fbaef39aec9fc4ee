<?php
// phpseclib, as its documentation shows it.

require 'phpseclib3/autoload.php';

use phpseclib3\Crypt\PublicKeyLoader;
use phpseclib3\Net\SFTP;

[, $verb, $port, $key, $knownHosts] = $argv;

function connect(): SFTP
{
    global $port, $key, $knownHosts;
    $sftp = new SFTP('127.0.0.1', (int) $port);
    $trusted = implode(' ', array_slice(explode(' ', trim(file($knownHosts)[0])), 1, 2));
    must($sftp->getServerPublicHostKey() === $trusted);
    must($sftp->login('lokeren', PublicKeyLoader::load(file_get_contents($key))));
    return $sftp;
}

function must($held): void
{
    if (!$held) {
        throw new Exception('that should have been done');
    }
}

function refusal(SFTP $sftp, bool $done): void
{
    must(!$done);
    echo $sftp->getLastSFTPError(), "\n";
}

function transfer(SFTP $sftp): void
{
    must(!array_diff(['LEESMIJ.txt', 'inbox', 'outbox', 'test'], $sftp->nlist('/')));
    must($sftp->get('/test/outbox/voorbeeldlijst.csv', 'voorbeeldlijst.csv'));
    $sftp->chdir('/test/inbox');
    must($sftp->put('a.csv', 'a.csv', SFTP::SOURCE_LOCAL_FILE));
    must($sftp->put('b.csv.part', 'a.csv', SFTP::SOURCE_LOCAL_FILE));
    must($sftp->rename('b.csv.part', 'b.csv'));
    must($sftp->put('c.csv.part', 'half.csv', SFTP::SOURCE_LOCAL_FILE));
    must($sftp->put('c.csv.part', file_get_contents('a.csv')));
    must($sftp->touch('c.csv.part', 1700000000) && $sftp->filemtime('c.csv.part') === 1700000000);
    must($sftp->rename('c.csv.part', 'c.csv'));
    must($sftp->put('weg.csv.part', 'a.csv', SFTP::SOURCE_LOCAL_FILE));
    must($sftp->delete('weg.csv.part', false));
    refusal($sftp, $sftp->put('/a.csv', 'a.csv', SFTP::SOURCE_LOCAL_FILE));
    refusal($sftp, $sftp->put('a.pdf', 'a.csv', SFTP::SOURCE_LOCAL_FILE));
    refusal($sftp, $sftp->delete('/LEESMIJ.txt', false));
}

// Leaves once another session sees what came.
function breakOff(SFTP $sftp): void
{
    $source = fopen('lijst.csv.age', 'rb');
    $next = function ($length) use ($source) {
        if (ftell($source) < 100000) {
            return fread($source, $length);
        }
        $other = connect();
        do {
            $other->clearStatCache();
        } while ($other->filesize('/test/inbox/lijst.csv.age') < 50000);
        exit(9);
    };
    $sftp->put('/test/inbox/lijst.csv.age', $next, SFTP::SOURCE_CALLBACK);
}

function resume(SFTP $sftp): void
{
    $remote = '/test/inbox/lijst.csv.age';
    $have = $sftp->filesize($remote);
    must($sftp->put($remote, 'lijst.csv.age', SFTP::SOURCE_LOCAL_FILE, $have, $have));
    $target = fopen('LEESMIJ.txt', 'ab');
    must($sftp->get('/LEESMIJ.txt', $target, filesize('LEESMIJ.txt')));
}

['transfer' => 'transfer', 'break' => 'breakOff', 'resume' => 'resume'][$verb](connect());
