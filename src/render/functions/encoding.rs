//! Base64, base32, checksums.

use super::{
    Answer,
    argument::{string_answer, text},
    fixed,
};
use aws_lc_rs::digest;
use base64::{Engine, engine::general_purpose::STANDARD};
use pintle_golib::hex;
use pintle_template::{Call, Func, Type::String};
use pintle_value::Value;

pub(super) static FUNCTIONS: &[Func] = &[
    fixed("b64enc", &[String], |_, args| string_answer(STANDARD.encode(text(args, 0)))),
    fixed("b64dec", &[String], |_, args| {
        string_answer(decode_base64(text(args, 0)).unwrap_or_else(|at| illegal("base64", at)))
    }),
    fixed("b32enc", &[String], |_, args| string_answer(encode_base32(text(args, 0)))),
    fixed("b32dec", &[String], |_, args| {
        string_answer(decode_base32(text(args, 0)).unwrap_or_else(|at| illegal("base32", at)))
    }),
    fixed("sha1sum", &[String], |_, args| sum(&digest::SHA1_FOR_LEGACY_USE_ONLY, args)),
    fixed("sha256sum", &[String], |_, args| sum(&digest::SHA256, args)),
    fixed("sha512sum", &[String], |_, args| sum(&digest::SHA512, args)),
    fixed("adler32sum", &[String], adler32),
];

/// Decoding errors are handed back as the value.
fn illegal(encoding: &str, at: usize) -> Vec<u8> {
    format!("illegal {encoding} data at input byte {at}").into_bytes()
}

/// Decodes standard base64 as Go does: line ends are passed over, the last bits are not looked at. On error, the byte
/// that Go names.
pub(super) fn decode_base64(input: &[u8]) -> Result<Vec<u8>, usize> {
    let mut out = Vec::with_capacity(input.len() / 4 * 3 + 3);
    let mut at = 0;
    let next = |at: &mut usize| {
        while matches!(input.get(*at), Some(b'\r' | b'\n')) {
            *at += 1;
        }
        let byte = input.get(*at).copied();
        if byte.is_some() {
            *at += 1;
        }
        byte
    };
    loop {
        let mut word = 0_u32;
        let mut digits = 0;
        while digits < 4 {
            let Some(byte) = next(&mut at) else {
                return if digits == 0 { Ok(out) } else { Err(at - digits) };
            };
            let value = match byte {
                b'A'..=b'Z' => byte - b'A',
                b'a'..=b'z' => byte - b'a' + 26,
                b'0'..=b'9' => byte - b'0' + 52,
                b'+' => 62,
                b'/' => 63,
                b'=' => {
                    // Padding ends the text.
                    match digits {
                        0 | 1 => return Err(at - 1),
                        2 => match next(&mut at) {
                            None => return Err(input.len()),
                            Some(b'=') => {}
                            Some(_) => return Err(at - 2),
                        },
                        _ => {}
                    }
                    if next(&mut at).is_some() {
                        return Err(at - 1);
                    }
                    let bytes = (word << (6 * (4 - digits))).to_be_bytes();
                    out.extend_from_slice(&bytes[1..digits]);
                    return Ok(out);
                }
                _ => return Err(at - 1),
            };
            word = word << 6 | u32::from(value);
            digits += 1;
        }
        out.extend_from_slice(&word.to_be_bytes()[1..]);
    }
}

fn encode_base32(input: &[u8]) -> Vec<u8> {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let mut out = Vec::with_capacity(input.len().div_ceil(5) * 8);
    for chunk in input.chunks(5) {
        let mut word = [0; 8];
        word[3..3 + chunk.len()].copy_from_slice(chunk);
        let bits = u64::from_be_bytes(word);
        let digits = (chunk.len() * 8).div_ceil(5);
        for place in 0..8 {
            out.push(if place < digits { ALPHABET[(bits >> (35 - 5 * place) & 31) as usize] } else { b'=' });
        }
    }
    out
}

fn decode_base32(input: &[u8]) -> Result<Vec<u8>, usize> {
    // Go strips line ends first; positions count without them.
    let input: Vec<u8> = input.iter().copied().filter(|b| !matches!(b, b'\r' | b'\n')).collect();
    let mut out = Vec::with_capacity(input.len() / 8 * 5 + 5);
    let mut at = 0;
    while at < input.len() {
        let start = at;
        let mut bits = 0_u64;
        let mut digits = 0;
        let mut ended = false;
        while digits < 8 {
            let Some(&byte) = input.get(at) else { return Err(start) };
            at += 1;
            let value = match byte {
                b'A'..=b'Z' => byte - b'A',
                b'2'..=b'7' => byte - b'2' + 26,
                b'=' if digits >= 2 && input.len() - at < 8 => {
                    let Some(padding) = input.get(at..start + 8) else { return Err(input.len()) };
                    if let Some(wrong) = padding.iter().position(|b| *b != b'=') {
                        return Err(at + wrong - 1);
                    }
                    // Only so many digits make whole bytes.
                    if matches!(digits, 1 | 3 | 6) {
                        return Err(at - 1);
                    }
                    ended = true;
                    break;
                }
                _ => return Err(at - 1),
            };
            bits = bits << 5 | u64::from(value);
            digits += 1;
        }
        let bytes = (bits << (5 * (8 - digits))).to_be_bytes();
        out.extend_from_slice(&bytes[3..3 + digits * 5 / 8]);
        if ended {
            return Ok(out);
        }
    }
    Ok(out)
}

fn sum(algorithm: &'static digest::Algorithm, args: &[Value]) -> Answer {
    string_answer(hex::encode(digest::digest(algorithm, text(args, 0)).as_ref()))
}

fn adler32(_: &mut Call<'_>, args: &[Value]) -> Answer {
    let (mut a, mut b) = (1_u32, 0_u32);
    for byte in text(args, 0) {
        a = (a + u32::from(*byte)) % 65521;
        b = (b + a) % 65521;
    }
    string_answer((b << 16 | a).to_string())
}
