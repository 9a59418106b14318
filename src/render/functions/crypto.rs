//! Password hashes, AES and private keys.

use super::{
    Answer,
    argument::{random, string_answer, text},
    encoding::decode_base64,
    fixed,
};
use aws_lc_rs::{
    cipher::{
        AES_256, DecryptionContext, EncryptionContext, PaddedBlockDecryptingKey, PaddedBlockEncryptingKey,
        UnboundCipherKey,
    },
    encoding::AsDer,
    rsa::KeySize,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use pintle_template::{Call, Func, FuncError, Type::String};
use pintle_value::Value;

pub(super) static FUNCTIONS: &[Func] = &[
    fixed("bcrypt", &[String], |call, args| string_answer(bcrypt(call, text(args, 0))?)),
    fixed("htpasswd", &[String, String], htpasswd),
    fixed("encryptAES", &[String, String], encrypt),
    fixed("decryptAES", &[String, String], decrypt),
    fixed("genPrivateKey", &[String], gen_private_key),
];

/// The hash, or what is wrong: sprig hands that back as the value.
fn bcrypt(call: &mut Call<'_>, password: &[u8]) -> Result<std::string::String, FuncError> {
    if password.len() > 72 {
        return Ok("failed to encrypt string with bcrypt: bcrypt: password length exceeds 72 bytes".to_owned());
    }
    // A hash is slow on purpose; it counts as much work.
    call.spend(1_000_000)?;
    let mut salt = [0; 16];
    random(call, &mut salt)?;
    match ::bcrypt::hash_with_salt(password, 10, salt) {
        Ok(hash) => Ok(hash.format_for_version(::bcrypt::Version::TwoA)),
        Err(error) => Ok(format!("failed to encrypt string with bcrypt: {error}")),
    }
}

fn htpasswd(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let user = std::string::String::from_utf8_lossy(text(args, 0));
    if user.contains(':') {
        return string_answer(format!("invalid username: {user}"));
    }
    let hash = bcrypt(call, text(args, 1))?;
    string_answer(format!("{user}:{hash}"))
}

const BLOCK: usize = 16;

/// The password's first 32 bytes, filled up with zeros.
fn aes_key(password: &[u8]) -> Result<UnboundCipherKey, FuncError> {
    let mut key = [0; 32];
    let size = password.len().min(key.len());
    key[..size].copy_from_slice(&password[..size]);
    UnboundCipherKey::new(&AES_256, &key).map_err(|_| "the AES key could not be made".into())
}

/// AES-256-CBC with PKCS#7 padding; the random first block goes before the text, all in base64.
fn encrypt(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let failed = |_| FuncError::from("the text could not be encrypted");
    let mut first = [0; BLOCK];
    random(call, &mut first)?;
    let key = PaddedBlockEncryptingKey::cbc_pkcs7(aes_key(text(args, 0))?).map_err(failed)?;
    let mut bytes = text(args, 1).to_vec();
    key.less_safe_encrypt(&mut bytes, EncryptionContext::Iv128((&first).into())).map_err(failed)?;
    string_answer(STANDARD.encode([&first[..], &bytes].concat()))
}

fn decrypt(_: &mut Call<'_>, args: &[Value]) -> Answer {
    let encoded = text(args, 1);
    let bytes =
        decode_base64(encoded).map_err(|at| FuncError::from(format!("illegal base64 data at input byte {at}")))?;
    if bytes.is_empty() {
        return string_answer("");
    }
    let Some((first, rest)) = bytes.split_at_checked(BLOCK) else {
        // Go's slice has room for what base64 could have held.
        let capacity = bytes.len();
        return Err(format!("runtime error: slice bounds out of range [:16] with capacity {capacity}").into());
    };
    if rest.is_empty() {
        return Err("runtime error: index out of range [-1]".into());
    }
    if rest.len() % BLOCK != 0 {
        return Err("crypto/cipher: input not full blocks".into());
    }
    let mut iv = [0; BLOCK];
    iv.copy_from_slice(first);
    let failed = |_| FuncError::from("the text could not be decrypted: the password is wrong or the text was changed");
    let key = PaddedBlockDecryptingKey::cbc_pkcs7(aes_key(text(args, 0))?).map_err(failed)?;
    let mut rest = rest.to_vec();
    let plain = key.decrypt(&mut rest, DecryptionContext::Iv128((&iv).into())).map_err(failed)?;
    string_answer(&*plain)
}

/// DER in PEM.
pub(super) fn pem(label: &str, der: &[u8]) -> std::string::String {
    let encoded = STANDARD.encode(der);
    let mut out = format!("-----BEGIN {label}-----\n");
    let mut rest = encoded.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(64));
        out.push_str(line);
        out.push('\n');
        rest = after;
    }
    out.push_str("-----END ");
    out.push_str(label);
    out.push_str("-----\n");
    out
}

fn gen_private_key(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let failed = |error: &dyn std::fmt::Display| FuncError::from(format!("failed to generate private key: {error}"));
    match text(args, 0) {
        b"" | b"rsa" => {
            call.spend(2_000_000)?;
            string_answer(rsa_key(KeySize::Rsa4096)?)
        }
        b"ecdsa" => {
            let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).map_err(|e| failed(&e))?;
            let key = key.private_key();
            let der = AsDer::<aws_lc_rs::encoding::EcPrivateKeyRfc5915Der<'_>>::as_der(&key).map_err(|e| failed(&e))?;
            string_answer(pem("EC PRIVATE KEY", der.as_ref()))
        }
        b"ed25519" => {
            let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).map_err(|e| failed(&e))?;
            let seed = pkcs8_content(key.serialized_der()).ok_or_else(|| failed(&"the key has an unknown form"))?;
            // Go writes the first version of PKCS#8, without the public key.
            let mut der = b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22".to_vec();
            der.extend_from_slice(seed);
            string_answer(pem("PRIVATE KEY", &der))
        }
        b"dsa" => Err("genPrivateKey: DSA keys are not supported here; use rsa, ecdsa or ed25519".into()),
        other => string_answer(format!("Unknown type {}", std::string::String::from_utf8_lossy(other))),
    }
}

/// A new RSA key as PKCS#1 in PEM.
pub(super) fn rsa_key(size: KeySize) -> Result<std::string::String, FuncError> {
    let failed = |error: &dyn std::fmt::Display| FuncError::from(format!("failed to generate private key: {error}"));
    let key = aws_lc_rs::rsa::KeyPair::generate(size).map_err(|e| failed(&e))?;
    let der = AsDer::<aws_lc_rs::encoding::Pkcs8V1Der<'_>>::as_der(&key).map_err(|e| failed(&e))?;
    let inner = pkcs8_content(der.as_ref()).ok_or_else(|| failed(&"the key has an unknown form"))?;
    Ok(pem("RSA PRIVATE KEY", inner))
}

/// The octets inside a PKCS#8 key: SEQUENCE { INTEGER, SEQUENCE algorithm, OCTET STRING key }.
pub(super) fn pkcs8_content(der: &[u8]) -> Option<&[u8]> {
    let (0x30, body, _) = der_element(der)? else { return None };
    let (0x02, _, rest) = der_element(body)? else { return None };
    let (0x30, _, rest) = der_element(rest)? else { return None };
    let (0x04, key, _) = der_element(rest)? else { return None };
    Some(key)
}

/// The tag and the content of the first element, and what follows it.
fn der_element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f).min(5))?;
        (bytes.iter().try_fold(0_usize, |n, b| n.checked_mul(256)?.checked_add(usize::from(*b)))?, rest)
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}
