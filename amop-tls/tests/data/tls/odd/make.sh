#!/bin/sh
# Makes the certificates of this folder with OpenSSL 3: chains as FISCO BCOS
# lays them out, each with one unusual property. All keys are public.
set -eu
cd "$(dirname "$0")"
W=$(mktemp -d)
DAYS=36500

key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:"${2:-secp256k1}" \
    -pkeyopt ec_param_enc:named_curve -out "$W/$1.key" 2>/dev/null; }
# sign NAME CN OU ISSUER DIGEST EXTENSIONS (one per line; empty: X.509 v1)
sign() {
    [ -f "$W/$1.key" ] || key "$1"
    openssl req -new -key "$W/$1.key" -subj "/CN=$2/O=fisco-bcos/OU=$3" -out "$W/$1.csr"
    if [ -n "$6" ]; then printf '[e]\n%b\n' "$6" > "$W/ext"; set -- "$@" -extensions e -extfile "$W/ext"; fi
    name=$1 issuer=$4 digest=$5; shift 6
    openssl x509 -req -in "$W/$name.csr" -CA "$W/$issuer.crt" -CAkey "$W/$issuer.key" \
        -set_serial "0x$(openssl rand -hex 8 | sed 's/^./1/')" -days $DAYS "-$digest" "$@" -out "$W/$name.crt" 2>/dev/null
}
# out NAME CHAIN...: writes NAME.crt (leaf and the rest of the chain) and NAME.key
out() { n=$1; shift; (for c in "$n" "$@"; do cat "$W/$c.crt"; done) > "$n.crt"; cp "$W/$n.key" "$n.key"; }

LEAF='basicConstraints=CA:FALSE\nkeyUsage=nonRepudiation,digitalSignature,keyEncipherment'
CA='basicConstraints=CA:TRUE'

key root
openssl req -new -key "$W/root.key" -subj "/CN=chain/O=fisco-bcos/OU=chain" -out "$W/root.csr"
openssl x509 -req -in "$W/root.csr" -signkey "$W/root.key" -sha256 -days $DAYS -out "$W/root.crt" 2>/dev/null
cp "$W/root.crt" ca.crt
sign agency agency agency root sha256 "$CA"
cat "$W/agency.crt" "$W/root.crt" > ca-and-agency.crt
cp "$W/agency.crt" ca-agency-only.crt

# Certificates that are accepted.
sign node node node agency sha256 "$LEAF";            out node agency root
sign sdk sdk sdk agency sha256 "$LEAF";               out sdk agency root
sign direct direct sdk root sha256 "$LEAF";           out direct root
sign shuffled shuffled sdk agency sha256 "$LEAF"
(cat "$W/shuffled.crt" "$W/root.crt" "$W/agency.crt") > shuffled.crt; cp "$W/shuffled.key" shuffled.key
key p256 prime256v1; sign p256 p256 sdk agency sha256 "$LEAF"; out p256 agency root
key agency384 secp384r1; sign agency384 agency agency root sha256 "$CA"
sign under384 under384 sdk agency384 sha384 "$LEAF";  out under384 agency384 root
sign nobasic nobasic sdk agency sha256 'keyUsage=digitalSignature'; out nobasic agency root
sign critical critical sdk agency sha256 "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=critical,clientAuth"; out critical agency root
# The issuer's name as other string types: the same text, other DER.
key agencyp
openssl req -new -key "$W/agencyp.key" -subj "/CN=agency/O=fisco-bcos/OU=agency" -out "$W/agencyp.csr" \
    -config /dev/stdin <<EOF
[req]
string_mask = default
distinguished_name = dn
[dn]
EOF
printf '[e]\n%b\n' "$CA" > "$W/ext"
openssl x509 -req -in "$W/agencyp.csr" -CA "$W/root.crt" -CAkey "$W/root.key" -set_serial 77 -days $DAYS -sha256 \
    -extensions e -extfile "$W/ext" -out "$W/agencyp.crt" 2>/dev/null
sign printable printable sdk agencyp sha256 "$LEAF";  out printable agencyp root

# Certificates that are refused.
sign agency2 agency2 agency root sha256 "$CA"
sign sdk2 sdk2 sdk agency2 sha256 "$LEAF";            out sdk2 agency2 root
sign byleaf byleaf sdk sdk sha256 "$LEAF";            out byleaf sdk agency root
sign v1agency v1agency agency root sha256 ""
sign underv1 underv1 sdk v1agency sha256 "$LEAF";     out underv1 v1agency root
sign plain plain agency root sha256 'subjectKeyIdentifier=hash'
sign underplain underplain sdk plain sha256 "$LEAF";  out underplain plain root
sign nosign nosign agency root sha256 "$CA\nkeyUsage=digitalSignature"
sign undernosign undernosign sdk nosign sha256 "$LEAF"; out undernosign nosign root
sign short short agency root sha256 'basicConstraints=CA:TRUE,pathlen:0'
sign sub sub agency short sha256 "$CA"
sign undersub undersub sdk sub sha256 "$LEAF";        out undersub sub short root
sign named named agency root sha256 "$CA\nnameConstraints=permitted;DNS:example.org"
sign undernamed undernamed sdk named sha256 "$LEAF";  out undernamed named root
sign unknown unknown sdk agency sha256 "$LEAF\n1.2.3.4=critical,ASN1:NULL"; out unknown agency root
sign server server sdk agency sha256 "$LEAF\nextendedKeyUsage=serverAuth"; out server agency root
sign sha512 sha512 sdk agency sha512 "$LEAF";         out sha512 agency root
sign caleaf caleaf agency root sha256 "$CA";          out caleaf root
key compressed; openssl ec -in "$W/compressed.key" -conv_form compressed -out "$W/c.key" 2>/dev/null
openssl pkcs8 -topk8 -nocrypt -in "$W/c.key" -out "$W/compressed.key"
sign compressed compressed sdk agency sha256 "$LEAF"; out compressed agency root
DAYS=2; sign brief brief agency root sha256 "$CA"; DAYS=36500
sign underbrief underbrief sdk brief sha256 "$LEAF";  out underbrief brief root
# Seven intermediates in a row.
i=1; above=root; chain=root
while [ $i -le 7 ]; do sign "deep$i" "deep$i" agency $above sha256 "$CA"; above=deep$i; chain="deep$i $chain"; i=$((i+1)); done
sign deep deep sdk deep7 sha256 "$LEAF";              out deep $chain

# RSA: a CA and leaves, both of version 1; a short key; a PSS signature.
openssl genrsa -out "$W/rsaca.key" 2048 2>/dev/null
openssl req -new -key "$W/rsaca.key" -subj "/CN=agency/O=fisco-bcos/OU=chain" -out "$W/rsaca.csr"
openssl x509 -req -in "$W/rsaca.csr" -signkey "$W/rsaca.key" -sha256 -days $DAYS -out "$W/rsaca.crt" 2>/dev/null
cp "$W/rsaca.crt" rsa-ca.crt
openssl genrsa -out "$W/rsa.key" 2048 2>/dev/null;      sign rsa FISCO-BCOS agency rsaca sha512 "";  out rsa
openssl genrsa -out "$W/rsa1024.key" 1024 2>/dev/null;  sign rsa1024 FISCO-BCOS agency rsaca sha256 ""; out rsa1024
openssl genrsa -out "$W/rsapss.key" 2048 2>/dev/null
openssl req -new -key "$W/rsapss.key" -subj "/CN=FISCO-BCOS/O=fisco-bcos/OU=agency" -out "$W/rsapss.csr"
openssl x509 -req -in "$W/rsapss.csr" -CA "$W/rsaca.crt" -CAkey "$W/rsaca.key" -set_serial 9 -days $DAYS -sha256 \
    -sigopt rsa_padding_mode:pss -out "$W/rsapss.crt" 2>/dev/null; out rsapss

# Guomi.
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:SM2 -pkeyopt ec_param_enc:named_curve -out sm2.key 2>/dev/null
openssl req -x509 -new -key sm2.key -sm3 -subj "/CN=chain/O=fisco-bcos/OU=chain" -days $DAYS -out sm2.crt 2>/dev/null

# Other forms of sdk.key and rsa.key.
openssl ec -in "$W/sdk.key" -out sdk.sec1.key 2>/dev/null
openssl ec -in "$W/sdk.key" -no_public -out sdk.sec1-nopub.key 2>/dev/null
(openssl ecparam -name secp256k1; cat sdk.sec1.key) > sdk.params.key
openssl pkcs8 -topk8 -in "$W/sdk.key" -passout pass:x -out sdk.enc.key
openssl ec -in "$W/sdk.key" -aes128 -passout pass:x -out sdk.oldenc.key 2>/dev/null
openssl rsa -in "$W/rsa.key" -traditional -out rsa.pkcs1.key 2>/dev/null
rm -r "$W"
