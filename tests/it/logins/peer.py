"""What no honest client does, a scene each: SCENE PORT KEY [ARGUMENT...]. Prints what came of it."""

import socket
import sys

import paramiko

scene, port, key = sys.argv[1], int(sys.argv[2]), paramiko.Ed25519Key.from_private_key_file(sys.argv[3])
arguments = sys.argv[4:]


def connect():
    transport = paramiko.Transport(socket.create_connection(("127.0.0.1", port)))
    transport.start_client(timeout=30)
    return transport


def attempt(action):
    """What an attempt to log in comes to: the methods that are left, or how it ended."""
    try:
        left = action()
        return "partial " + ",".join(left) if left else "in"
    except paramiko.BadAuthenticationType as refused:
        return ",".join(refused.allowed_types)
    except paramiko.AuthenticationException as refused:
        return "refused"
    except (paramiko.SSHException, EOFError, OSError) as ended:
        return "ended"


transport = connect()
if scene == "offered":
    print(attempt(lambda: transport.auth_none(arguments[0])))
else:
    sys.exit("no such scene")
transport.close()
