"""A TLCP library in C as the peer of amop-tlcp, through ctypes.

    peer.py LIBRARY server CA SIGN.crt SIGN.key ENC.crt ENC.key         prints "port N", answers one connection
    peer.py LIBRARY client PORT CA SIGN.crt SIGN.key ENC.crt ENC.key    connects once

Either side sends back what it reads (server) or sends 40,000 bytes and compares what comes back (client), and prints
"suite 0xNNNN" and then "done". LIBRARY is libbcos-sdk-jni.so (TASSL inside) or _tongsuo.abi3.so (Tongsuo inside).
"""

import ctypes
import socket
import sys

library = ctypes.CDLL(sys.argv[1])
POINTER, INT, TEXT = ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p


def has(name):
    return hasattr(library, name)


def function(name, result, *arguments):
    found = getattr(library, name)
    found.restype, found.argtypes = result, list(arguments)
    return found


def fail(what):
    get = function("ERR_get_error", ctypes.c_ulong)
    text = function("ERR_error_string", TEXT, ctypes.c_ulong, POINTER)
    errors = []
    while code := get():
        errors.append(text(code, None).decode())
    sys.exit(f"{what}: {errors}")


def context(role, authority, files):
    tongsuo = has("NTLS_server_method")
    names = ("NTLS_server_method", "NTLS_client_method") if tongsuo else ("TLS_server_method", "CNTLS_client_method")
    method = function(names[role == "client"], POINTER)
    made = function("SSL_CTX_new", POINTER, POINTER)(method())
    if tongsuo:
        function("SSL_CTX_enable_ntls", None, POINTER)(made)
    sign = "sign_" if tongsuo else ""
    loads = [f"{sign}certificate", f"{sign}PrivateKey", "enc_certificate", "enc_PrivateKey"]
    for load, file in zip(loads, files):
        if function(f"SSL_CTX_use_{load}_file", INT, POINTER, TEXT, INT)(made, file.encode(), 1) != 1:
            fail(file)
    function("SSL_CTX_load_verify_locations", INT, POINTER, TEXT, TEXT)(made, authority.encode(), None)
    # The peer must send certificates; the connection fails without them.
    function("SSL_CTX_set_verify", None, POINTER, INT, POINTER)(made, 3, None)
    if role == "server":
        suites = b"ECC-SM2-SM4-CBC-SM3" if tongsuo else b"ECC-SM4-SM3"
        function("SSL_CTX_set_cipher_list", INT, POINTER, TEXT)(made, suites)
    return made


def shake(made, connection, role):
    connection.settimeout(None)
    session = function("SSL_new", POINTER, POINTER)(made)
    function("SSL_set_fd", INT, POINTER, INT)(session, connection.fileno())
    if function("SSL_accept" if role == "server" else "SSL_connect", INT, POINTER)(session) != 1:
        fail("handshake")
    cipher = function("SSL_get_current_cipher", POINTER, POINTER)(session)
    suite = function("SSL_CIPHER_get_id", ctypes.c_uint32, POINTER)(cipher) & 0xFFFF
    print(f"suite {suite:#06x}", flush=True)
    return session


def main():
    role = sys.argv[2]
    port, rest = (0, sys.argv[3:]) if role == "server" else (int(sys.argv[3]), sys.argv[4:])
    made = context(role, rest[0], rest[1:5])
    read = function("SSL_read", INT, POINTER, POINTER, INT)
    write = function("SSL_write", INT, POINTER, TEXT, INT)
    shutdown = function("SSL_shutdown", INT, POINTER)
    buffer = ctypes.create_string_buffer(65536)
    if role == "server":
        listener = socket.create_server(("127.0.0.1", 0))
        print("port", listener.getsockname()[1], flush=True)
        connection, _ = listener.accept()
        session = shake(made, connection, role)
        while (count := read(session, buffer, 65536)) > 0:
            write(session, buffer.raw[:count], count)
    else:
        connection = socket.create_connection(("127.0.0.1", port))
        session = shake(made, connection, role)
        sent = bytes(i % 251 for i in range(40_000))
        write(session, sent, len(sent))
        got = b""
        while len(got) < len(sent):
            count = read(session, buffer, 65536)
            if count <= 0:
                fail("read")
            got += buffer.raw[:count]
        if got != sent:
            sys.exit("something else came back")
    shutdown(session)
    print("done", flush=True)
    connection.close()


main()
