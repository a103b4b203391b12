"""joserfc as a peer of the jose command.

Reads {"jobs": [...]} on standard input, writes [{"text": ...} or {"error":
...}, ...] in the same order: one process for all tokens of a test.  peer.mjs
does the same with npm jose.

    {"op": "encrypt", "key": JWK, "header": {...}, "text": "..."}
    {"op": "sign",    "key": JWK, "header": {...}, "text": "..."}
    {"op": "verify",  "key": JWK, "alg": "...", "token": "..."}
    {"op": "nest",    "sign": {...}, "encrypt": {...}}
    {"op": "import",  "key": JWK}     its thumbprint, of which it says whether
                                      it is private
"""

import json
import sys

from joserfc import jwe, jwk, jws


def encrypt(job):
    header = job["header"]

    return jwe.encrypt_compact(
        header, job["text"], jwk.import_key(job["key"]),
        algorithms=[header["alg"], header["enc"]])


def sign(job):
    header = job["header"]

    return jws.serialize_compact(
        header, job["text"], jwk.import_key(job["key"]),
        algorithms=[header["alg"]])


def verify(job):
    token = jws.deserialize_compact(
        job["token"], jwk.import_key(job["key"]), algorithms=[job["alg"]])

    return token.payload.decode()


def nest(job):
    return encrypt({**job["encrypt"], "text": sign(job["sign"])})


def import_key(job):
    key = jwk.import_key(job["key"])
    kind = "private" if key.is_private else "public"

    return kind + " " + key.thumbprint()


ops = {"encrypt": encrypt, "sign": sign, "verify": verify, "nest": nest,
       "import": import_key}


def run(job):
    try:
        return {"text": ops[job["op"]](job)}
    except Exception as e:  # whatever the library says is an answer
        return {"error": type(e).__name__ + ": " + str(e)}


print(json.dumps([run(job) for job in json.load(sys.stdin)["jobs"]]))
