"""What no honest client does, a scene each: SCENE PORT KEY [ARGUMENT...]. Prints what came of it."""

import socket
import sys
import threading

import paramiko
from paramiko.auth_handler import AuthOnlyHandler

scene, port, key = sys.argv[1], int(sys.argv[2]), paramiko.Ed25519Key.from_private_key_file(sys.argv[3])
arguments = sys.argv[4:]


def send_auth_request(self, username, method, finish_message=None):
    """As the library's, which makes the event that it waits for only after sending: an answer that is faster is lost."""
    self.auth_method, self.username = method, username
    message = paramiko.Message()
    message.add_byte(paramiko.common.cMSG_USERAUTH_REQUEST)
    for text in (username, "ssh-connection", method):
        message.add_string(text)
    if finish_message:
        finish_message(message)
    self.auth_event = threading.Event()
    with self.transport.lock:
        self.transport._send_message(message)
    return self.wait_for_response(self.auth_event)


AuthOnlyHandler.send_auth_request = send_auth_request


def connect(kind=paramiko.ServiceRequestingTransport):
    # The older kind of transport asks for the service again with each attempt, which the server does not answer; the
    # newer one cannot ask for the methods.
    transport = kind(socket.create_connection(("127.0.0.1", port)))
    transport.auth_timeout = 10
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


class Forged(paramiko.Ed25519Key):
    """Somebody else's public key, with a signature that is not its owner's."""

    def sign_ssh_data(self, data, algorithm=None):
        return super().sign_ssh_data(data + b"x", algorithm)


def offered(user):
    """The methods that a user is offered who has tried none."""
    print(attempt(lambda: connect(paramiko.Transport).auth_none(user)))


def forged(user):
    """A known key with a wrong signature."""
    forger = Forged.from_private_key_file(sys.argv[3])
    print(attempt(lambda: connect().auth_publickey(user, forger)))


def switched(password):
    """One step, another user name, and the other step."""
    transport = connect()
    print(attempt(lambda: transport.auth_publickey("bree", key)))
    print(attempt(lambda: transport.auth_password("nobody", password)))
    print(attempt(lambda: transport.auth_password("bree", password)))
    print(attempt(lambda: transport.auth_publickey("bree", key)))
    # A step that is passed twice is not passed for the other one.
    print(attempt(lambda: transport.auth_publickey("bree", key)))
    print(attempt(lambda: transport.auth_password("bree", password)))


def early():
    """Everything but authentication, before it."""
    transport = connect()
    for kind in ("session", "direct-tcpip"):
        try:
            transport.open_channel(kind, ("127.0.0.1", 22), ("127.0.0.1", 22), timeout=1)
            print("opened")
        except (paramiko.SSHException, EOFError):
            print("not opened")
    try:
        transport.lock.acquire()
        transport.lock.release()
        message = paramiko.Message()
        message.add_byte(bytes([paramiko.common.MSG_CHANNEL_REQUEST]))
        message.add_int(0)
        message.add_string("subsystem")
        message.add_boolean(True)
        message.add_string("sftp")
        transport._send_user_message(message)
    except (paramiko.SSHException, EOFError):
        pass
    print(attempt(lambda: transport.auth_publickey("bree", key)))
    print(",".join(sorted(paramiko.SFTPClient.from_transport(transport).listdir("/"))))
    transport.close()


def many():
    """As many wrong passwords as the server takes, each under another name."""
    transport = connect()
    answered = 0
    for count in range(100):
        # An attempt that meets the end of the connection is no answer.
        if attempt(lambda: transport.auth_password(f"user{count}", "x")) in ("ended", "refused"):
            break
        answered += 1
    print(answered)


def waits():
    """One step, and then nothing."""
    transport = connect()
    print(attempt(lambda: transport.auth_publickey("bree", key)))
    transport.join(30)
    print("ended" if not transport.is_active() else "still there")


def long():
    """A WRITE in one packet, which is longer than the server offered to take."""
    transport = connect()
    print(attempt(lambda: transport.auth_publickey("bree", key)))
    file = paramiko.SFTPClient.from_transport(transport).open("/inbox/a.part", "wb")
    file.sftp.get_channel().out_max_packet_size = 1 << 18
    file.MAX_REQUEST_SIZE = 100_000
    try:
        file.write(b"x" * 100_000)
        print("taken")
    except (paramiko.SSHException, EOFError, OSError):
        print("ended")


globals()[scene](*arguments)
