//! X.509 certificates: authorities, self-signed ones, signed ones.

use super::{
    Answer,
    argument::{any, environment, int, items, random, text},
    crypto::{pem, rsa_key},
    encoding::decode_base64,
    fixed,
};
use aws_lc_rs::rsa::KeySize;
use pintle_template::{Call, Func, FuncError, Type};
use pintle_value::{Object, Value};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType, SerialNumber,
};
use std::{rc::Rc, time::Duration};

const TEXT: Type = Type::String;
const INT: Type = Type::Int;
const LIST: Type = Type::List;
const CERTIFICATE: Type = Type::Named(TYPE_NAME);
const TYPE_NAME: &str = "sprig.certificate";

pub(super) static FUNCTIONS: &[Func] = &[
    fixed("genCA", &[TEXT, INT], |call, args| {
        let key = new_key(call)?;
        authority(call, args, key)
    }),
    fixed("genCAWithKey", &[TEXT, INT, TEXT], |call, args| authority(call, args, given_key(text(args, 2))?)),
    fixed("genSelfSignedCert", &[TEXT, LIST, LIST, INT], |call, args| {
        let key = new_key(call)?;
        self_signed(call, args, key)
    }),
    fixed("genSelfSignedCertWithKey", &[TEXT, LIST, LIST, INT, TEXT], |call, args| {
        self_signed(call, args, given_key(text(args, 4))?)
    }),
    fixed("genSignedCert", &[TEXT, LIST, LIST, INT, CERTIFICATE], |call, args| {
        let key = new_key(call)?;
        signed(call, args, key)
    }),
    fixed("genSignedCertWithKey", &[TEXT, LIST, LIST, INT, CERTIFICATE, TEXT], |call, args| {
        signed(call, args, given_key(text(args, 5))?)
    }),
    fixed("buildCustomCert", &[TEXT, TEXT], build_custom),
];

/// Sprig's `certificate`: both parts in PEM.
struct Certificate {
    certificate: String,
    key: String,
}

impl Object for Certificate {
    fn type_name(&self) -> &'static str {
        TYPE_NAME
    }

    fn field(&self, name: &str) -> Option<Value> {
        match name {
            "Cert" => Some(Value::str(self.certificate.as_str())),
            "Key" => Some(Value::str(self.key.as_str())),
            _ => None,
        }
    }

    fn fields(&self) -> Vec<(&'static str, Value)> {
        vec![("Cert", Value::str(self.certificate.as_str())), ("Key", Value::str(self.key.as_str()))]
    }

    fn json(&self) -> Value {
        Value::Map(self.fields().into_iter().collect())
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

/// A private key, and its text as the chart gets to see it.
struct Key {
    pair: KeyPair,
    pem: String,
}

fn new_key(call: &mut Call<'_>) -> Result<Key, FuncError> {
    // Finding two large primes is much work.
    call.spend(1_000_000)?;
    let pem = rsa_key(KeySize::Rsa2048)?;
    given_key(pem.as_bytes())
}

fn given_key(text: &[u8]) -> Result<Key, FuncError> {
    parse_key(text).map_err(|error| format!("parsing private key: {error}").into())
}

fn parse_key(text: &[u8]) -> Result<Key, String> {
    let (label, der) = pem_block(text).ok_or("no PEM data in input")?;
    let kind = match label.as_str() {
        "RSA PRIVATE KEY" => "parsing RSA private key from PEM",
        "EC PRIVATE KEY" => "parsing EC private key from PEM",
        "PRIVATE KEY" => "decoding PEM as PKCS#8",
        _ => return Err(format!("no private key data in PEM block of type {label}")),
    };
    let pair = KeyPair::try_from(der.as_slice()).map_err(|error| format!("{kind}: {error}"))?;
    Ok(Key { pair, pem: pem(&label, &der) })
}

/// The label and the content of the first PEM block.
fn pem_block(text: &[u8]) -> Option<(String, Vec<u8>)> {
    let text = String::from_utf8_lossy(text);
    let (_, rest) = text.split_once("-----BEGIN ")?;
    let (label, rest) = rest.split_once("-----")?;
    let (body, _) = rest.split_once(&format!("-----END {label}-----"))?;
    let digits: Vec<u8> = body.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    Some((label.to_owned(), decode_base64(&digits).ok()?))
}

fn failed(error: &dyn std::fmt::Display) -> FuncError {
    format!("error creating certificate: {error}").into()
}

/// What all of sprig's certificates have in common.
fn parameters(call: &Call<'_>, name: &[u8], days: i64) -> Result<CertificateParams, FuncError> {
    let now = environment(call)?.host.now().unix;
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    // The calendar of certificates ends with the year 9999.
    let instant = |unix: i64| epoch + Duration::from_secs(u64::try_from(unix).unwrap_or(0).min(253_402_300_799));
    let mut serial = [0; 16];
    random(call, &mut serial)?;
    serial[0] &= 0x7f;

    let mut parameters = CertificateParams::default();
    parameters.not_before = instant(now);
    parameters.not_after = instant(now.saturating_add(days.saturating_mul(86_400)));
    parameters.serial_number = Some(SerialNumber::from_slice(&serial));
    parameters.distinguished_name = DistinguishedName::new();
    parameters.distinguished_name.push(DnType::CommonName, String::from_utf8_lossy(name).into_owned());
    parameters.is_ca = IsCa::ExplicitNoCa;
    parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    Ok(parameters)
}

fn certificate(certificate: &rcgen::Certificate, key: Key) -> Value {
    Value::Object(Rc::new(Certificate { certificate: pem("CERTIFICATE", certificate.der()), key: key.pem }))
}

fn authority(call: &Call<'_>, args: &[Value], key: Key) -> Answer {
    let mut parameters = parameters(call, text(args, 0), int(args, 1))?;
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    parameters.key_usages.push(KeyUsagePurpose::KeyCertSign);
    let made = parameters.self_signed(&key.pair).map_err(|e| failed(&e))?;
    Ok(certificate(&made, key))
}

/// The parameters of a server's certificate: common name, addresses, names and days come first among the arguments.
fn leaf(call: &Call<'_>, args: &[Value]) -> Result<CertificateParams, FuncError> {
    let mut parameters = parameters(call, text(args, 0), int(args, 3))?;
    for address in items(any(args, 1)).unwrap_or_default() {
        let Value::String(address) = &address else {
            return Err(not_text("parsing ip", &address)?);
        };
        let parsed = address.as_str().and_then(|a| a.parse().ok());
        let parsed = parsed.ok_or_else(|| FuncError::from(format!("error parsing ip: {address}")))?;
        parameters.subject_alt_names.push(SanType::IpAddress(parsed));
    }
    for name in items(any(args, 2)).unwrap_or_default() {
        let Value::String(name) = &name else {
            return Err(not_text("processing alternate dns name", &name)?);
        };
        let name = name.to_str_lossy().into_owned();
        let name = name.try_into().map_err(|e| failed(&e))?;
        parameters.subject_alt_names.push(SanType::DnsName(name));
    }
    Ok(parameters)
}

fn not_text(doing: &str, value: &Value) -> Result<FuncError, FuncError> {
    let shown = super::argument::text_of(value)?;
    Ok(format!("error {doing}: {shown} is not a string").into())
}

fn self_signed(call: &Call<'_>, args: &[Value], key: Key) -> Answer {
    let made = leaf(call, args)?.self_signed(&key.pair).map_err(|e| failed(&e))?;
    Ok(certificate(&made, key))
}

fn signed(call: &Call<'_>, args: &[Value], key: Key) -> Answer {
    let Value::Object(object) = any(args, 4) else { return Err("the certificate authority is missing".into()) };
    let Some(authority) = object.as_any().downcast_ref::<Certificate>() else {
        return Err(format!("a {} is no certificate authority", object.type_name()).into());
    };
    let (_, der) =
        pem_block(authority.certificate.as_bytes()).ok_or_else(|| FuncError::from("unable to decode certificate"))?;
    let authority_key = parse_key(authority.key.as_bytes())
        .map_err(|error| FuncError::from(format!("error parsing private key: {error}")))?;
    let issuer = Issuer::from_ca_cert_der(&der.as_slice().into(), authority_key.pair).map_err(|e| failed(&e))?;
    let mut parameters = leaf(call, args)?;
    parameters.use_authority_key_identifier_extension = true;
    let made = parameters.signed_by(&key.pair, &issuer).map_err(|e| failed(&e))?;
    Ok(certificate(&made, key))
}

/// A certificate and key from elsewhere, both in base64 of PEM.
fn build_custom(_: &mut Call<'_>, args: &[Value]) -> Answer {
    let decoded = |at: usize, what: &str| {
        decode_base64(text(args, at)).map_err(|_| FuncError::from(format!("unable to decode base64 {what}")))
    };
    let (given, key) = (decoded(0, "certificate")?, decoded(1, "private key")?);
    let (_, der) = pem_block(&given).ok_or_else(|| FuncError::from("unable to decode certificate"))?;
    // The certificate is only checked for being one, which takes some key.
    let probe = KeyPair::generate().map_err(|e| failed(&e))?;
    Issuer::from_ca_cert_der(&der.as_slice().into(), probe)
        .map_err(|_| FuncError::from("error parsing certificate: decodedCert.Bytes: x509: malformed certificate"))?;
    parse_key(&key).map_err(|error| FuncError::from(format!("error parsing private key: {error}")))?;
    let shown = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(Value::Object(Rc::new(Certificate { certificate: shown(&given), key: shown(&key) })))
}
