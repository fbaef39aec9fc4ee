"""A mail server that keeps what it gets: a line of JSON on standard output for each mail.

    smtp_sink.py PORT [--address HOST] [--refuse ADDRESS] [--tls DIR] [--login USER PASSWORD]

The first line is the port. With --tls nothing is taken without STARTTLS; the certificate of the authority that signed
the server's, both made here, is DIR/ca.pem. Mails are read by Python's own parser: what it finds at fault is told, too.
"""

import argparse
import asyncio
import datetime
import email
import email.policy
import ipaddress
import json
import ssl
from pathlib import Path

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


def certificate(subject, key, issuer, issuer_key, extensions):
    """A certificate for an hour."""
    name = lambda text: x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])
    now = datetime.datetime.now(datetime.timezone.utc)
    hour = datetime.timedelta(hours=1)
    builder = x509.CertificateBuilder(
        name(issuer), name(subject), key.public_key(), x509.random_serial_number(), now - hour, now + hour
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(issuer_key, hashes.SHA256())


def pem(thing):
    return thing.public_bytes(serialization.Encoding.PEM)


def make_tls(directory):
    """What the server shows; the authority's certificate is left in the directory."""
    authority_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    is_authority = [(x509.BasicConstraints(ca=True, path_length=0), True)]
    names = x509.SubjectAlternativeName(
        [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    )
    authority = certificate("test authority", authority_key, "test authority", authority_key, is_authority)
    own = certificate("localhost", key, "test authority", authority_key, [(names, False)])
    (directory / "ca.pem").write_bytes(pem(authority))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (directory / "server.pem").write_bytes(private + pem(own))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(directory / "server.pem")
    return context


class Sink:
    def __init__(self, refused):
        self.refused = refused

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address in self.refused:
            return "550 nobody here has that name"
        envelope.rcpt_tos.append(address)
        return "250 so be it"

    async def handle_DATA(self, server, session, envelope):
        message = email.message_from_bytes(envelope.original_content, policy=email.policy.default)
        told = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "tls": session.ssl is not None,
            "login": session.authenticated,
            "headers": {name.lower(): value for name, value in message.items()},
            "type": message.get_content_type(),
            "charset": message.get_content_charset(),
            "body": message.get_content(),
            "defects": [str(defect) for defect in message.defects],
            "raw": envelope.original_content.decode("utf-8", "replace"),
        }
        print(json.dumps(told), flush=True)
        return "250 taken"


async def serve(arguments):
    context = make_tls(Path(arguments.tls)) if arguments.tls else None

    def judge(server, session, envelope, mechanism, data):
        wanted = [part.encode() for part in arguments.login]
        good = isinstance(data, LoginPassword) and [data.login, data.password] == wanted
        return AuthResult(success=good)

    def make():
        return SMTP(
            Sink(arguments.refuse),
            hostname="localhost",
            tls_context=context,
            require_starttls=context is not None,
            authenticator=judge if arguments.login else None,
            auth_required=bool(arguments.login),
            auth_require_tls=context is not None,
        )

    server = await asyncio.get_running_loop().create_server(make, arguments.address, arguments.port)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("--address", default="127.0.0.1")
    parser.add_argument("--refuse", action="append", default=[])
    parser.add_argument("--tls")
    parser.add_argument("--login", nargs=2)
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
