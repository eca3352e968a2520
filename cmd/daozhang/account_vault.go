package main

import (
	"daozhang/internal/card"
	"daozhang/internal/fault"
	"daozhang/internal/keyring"
)

// accountVault keeps account numbers in the keyring; it is a backoffice.Vault.
type accountVault struct{ keys keyring.Keyring }

// Seal seals an account number for a context; the number has to be one.
func (v accountVault) Seal(number, context string) ([]byte, error) {
	n, ok := card.Account(number)
	if !ok {
		return nil, fault.New(fault.Invalid, fault.Say("take the account number", "登记账号"), card.AccountTail(number), fault.Say("it is neither digits nor an IBAN with its check digits", "既不是纯数字账号，也不是校验位正确的 IBAN"),
			fault.Say("compare it with the bank's paper, digit by digit", "请与银行凭证逐位核对"))
	}
	return v.keys.SealSecret([]byte(n), context)
}

// Open opens what Seal sealed, and what was sealed as digits alone.
func (v accountVault) Open(sealed []byte, context string) (string, error) {
	number, err := v.keys.OpenSecret(sealed, context)
	if err == nil {
		return string(number), nil
	}
	if digits, err := v.keys.Open(sealed, context); err == nil {
		return digits, nil
	}
	return "", err
}
