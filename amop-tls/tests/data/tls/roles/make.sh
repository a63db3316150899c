#!/bin/sh
# Makes the certificates of this folder with OpenSSL 3: role and key usage
# in unusual forms. All keys are public.
set -eu
cd "$(dirname "$0")"
W=$(mktemp -d)
DAYS=36500
key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:secp256k1 \
    -pkeyopt ec_param_enc:named_curve -out "$W/$1.key" 2>/dev/null; }
# sign NAME ISSUER EXTENSIONS, the subject's lines on standard input, after the mask of its string types
sign() {
    key "$1"
    { read -r mask; printf '[req]\nprompt = no\nutf8 = yes\ndistinguished_name = dn\nstring_mask = %s\n[dn]\n' "$mask"
      cat; } > "$W/req"
    openssl req -new -key "$W/$1.key" -config "$W/req" -multivalue-rdn -out "$W/$1.csr" 2>/dev/null ||
        openssl req -new -key "$W/$1.key" -config "$W/req" -out "$W/$1.csr"
    printf '[e]\n%b\n' "$3" > "$W/ext"
    openssl x509 -req -in "$W/$1.csr" -CA "$W/$2.crt" -CAkey "$W/$2.key" -days $DAYS -sha256 \
        -set_serial "0x$(openssl rand -hex 8 | sed 's/^./1/')" -extensions e -extfile "$W/ext" \
        -out "$W/$1.crt" 2>/dev/null
}
out() { n=$1; shift; (for c in "$n" "$@"; do cat "$W/$c.crt"; done) > "$n.crt"; cp "$W/$n.key" "$n.key"; }
LEAF='basicConstraints=CA:FALSE\nkeyUsage=nonRepudiation,digitalSignature,keyEncipherment'
CA='basicConstraints=CA:TRUE'

key root
openssl req -x509 -new -key "$W/root.key" -subj "/CN=chain/O=fisco-bcos/OU=chain" -sha256 -days $DAYS \
    -out "$W/root.crt"
cp "$W/root.crt" ca.crt
sub() { sign "$1" root "$2" <<END
utf8only
CN = $1
O = fisco-bcos
OU = agency
END
}
sub agency "$CA"

# leaf NAME MASK LINES
leaf() { printf '%s\nCN = x\n%b\n' "$2" "$3" | sign "$1" agency "${4:-$LEAF}"; out "$1" agency root; }
leaf node utf8only 'OU = node'
leaf ssl utf8only 'OU = ssl'
leaf agencies utf8only 'OU = agency'
leaf sdk utf8only 'OU = sdk'
leaf upper utf8only 'OU = SDK'
leaf padded utf8only 'OU = " sdk "'
leaf ensdk utf8only 'OU = ensdk'
leaf bmp MASK:0x800 'OU = sdk'
leaf printable MASK:0x2 'OU = sdk'
leaf teletex MASK:0x4 'OU = sdk'
leaf second utf8only '0.OU = node\n1.OU = sdk'
leaf first utf8only '0.OU = sdk\n1.OU = node'
leaf multi utf8only 'O = fisco-bcos\n+OU = sdk\n1.OU = node'
leaf cn utf8only '2.CN = sdk\nOU = node'

# keyUsage.
leaf nosign utf8only 'OU = node' 'basicConstraints=CA:FALSE\nkeyUsage=keyEncipherment,nonRepudiation'
leaf signonly utf8only 'OU = node' 'basicConstraints=CA:FALSE\nkeyUsage=digitalSignature'
# A leaf without basicConstraints, of another agency.
sub other "$CA"
printf 'utf8only\nCN = x\nOU = sdk\n' | sign otherbare other 'keyUsage=digitalSignature'; out otherbare other root
# Lists by an agency that may sign lists, and by one that may not.
list() {
    sub "$1" "$CA\nkeyUsage=$2"
    printf 'utf8only\nCN = x\nOU = node\n' | sign "of$1" "$1" "$LEAF"; out "of$1" "$1" root
    : > "$W/index"
    printf '[ca]\ndefault_ca = d\n[d]\ndatabase = %s/index\ndefault_md = sha256\n' "$W" > "$W/ca"
    openssl ca -config "$W/ca" -revoke "$W/of$1.crt" -cert "$W/$1.crt" -keyfile "$W/$1.key" 2>/dev/null
    openssl ca -config "$W/ca" -gencrl -cert "$W/$1.crt" -keyfile "$W/$1.key" -crldays $DAYS -out "$1.crl" 2>/dev/null
    cat "$W/$1.crt" >> "$1.crl"
}
list lists keyCertSign,cRLSign
list nolists keyCertSign
rm -r "$W"
