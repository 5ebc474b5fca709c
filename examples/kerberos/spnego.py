"""SPNEGO tokens for whoever asks: a line with a host name in, a line of JSON out. Ends with its input.

Needs python3-gssapi (Debian, Ubuntu; python3-gssapi on Red Hat too; gssapi on PyPI). KEYTAB and PRINCIPAL in the environment are
what it logs in with, and logs in again before tickets end; without KEYTAB it uses the tickets of the default cache (kinit).
"""

import base64
import json
import os
import sys

import gssapi

SPNEGO = gssapi.OID.from_int_seq("1.3.6.1.5.5.2")
KEYTAB = os.environ.get("KEYTAB")
PRINCIPAL = os.environ.get("PRINCIPAL")


def login():
    """Credentials of now: tickets that are good for long enough are taken from memory."""
    if KEYTAB is None:
        return None
    name = PRINCIPAL and gssapi.Name(PRINCIPAL, gssapi.NameType.kerberos_principal)
    store = {"client_keytab": KEYTAB, "ccache": "MEMORY:firesteel"}
    return gssapi.Credentials(name=name, usage="initiate", store=store)


def token(host):
    """A token for HTTP/host, good for one request."""
    service = gssapi.Name(f"HTTP@{host}", gssapi.NameType.hostbased_service)
    context = gssapi.SecurityContext(name=service, creds=login(), mech=SPNEGO, usage="initiate")
    return base64.b64encode(context.step()).decode()


for line in sys.stdin:
    try:
        answer = {"token": token(line.strip())}
    except (gssapi.exceptions.GSSError, OSError) as error:
        answer = {"error": str(error)}
    print(json.dumps(answer), flush=True)
