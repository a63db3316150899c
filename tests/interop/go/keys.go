// Keys of private topics.

package main

import (
	"crypto/ecdsa"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/FISCO-BCOS/go-sdk/conf"
	"github.com/ethereum/go-ethereum/crypto"
)

// privateKey reads a subscriber's key: secp256k1 in PKCS#8, as the chain's account script makes it.
func privateKey(path string) (*ecdsa.PrivateKey, error) {
	if path == "" {
		return nil, errors.New("a subscriber of a private topic needs -key")
	}
	scalar, _, err := conf.LoadECPrivateKeyFromPEM(path)
	if err != nil {
		return nil, fmt.Errorf("private key %s: %w", path, err)
	}
	key, err := crypto.ToECDSA(scalar)
	if err != nil {
		return nil, fmt.Errorf("private key %s: %w", path, err)
	}
	return key, nil
}

// publicKeys reads the keys of the permitted receivers.
func publicKeys(texts []string) ([]*ecdsa.PublicKey, error) {
	if len(texts) == 0 {
		return nil, errors.New("a publisher of a private topic needs -public-key")
	}
	keys := make([]*ecdsa.PublicKey, 0, len(texts))
	for _, text := range texts {
		point, err := hex.DecodeString(strings.TrimPrefix(text, "0x"))
		if err != nil {
			return nil, fmt.Errorf("public key %s: %w", text, err)
		}
		if len(point) == 64 {
			point = append([]byte{4}, point...)
		}
		key, err := crypto.UnmarshalPubkey(point)
		if err != nil {
			return nil, fmt.Errorf("public key %s: %w", text, err)
		}
		keys = append(keys, key)
	}
	return keys, nil
}
