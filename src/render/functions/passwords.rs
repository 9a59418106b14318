//! Random texts and derived passwords.

use super::{
    Answer,
    argument::{int, random, string_answer, text},
    check_bytes, fixed,
    numbers::below,
};
use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::STANDARD};
use pintle_golib::hex;
use pintle_golib::unicode;
use pintle_template::{
    Call, Func, FuncError,
    Type::{self, Int, String},
};
use pintle_value::Value;

pub(super) static FUNCTIONS: &[Func] = &[
    fixed("randAlpha", &[Int], |call, args| rand_text(call, args, u8::is_ascii_alphabetic)),
    fixed("randAlphaNum", &[Int], |call, args| rand_text(call, args, u8::is_ascii_alphanumeric)),
    fixed("randNumeric", &[Int], |call, args| rand_text(call, args, u8::is_ascii_digit)),
    fixed("randAscii", &[Int], |call, args| rand_text(call, args, |b| (b' '..=b'~').contains(b))),
    fixed("randBytes", &[Int], rand_bytes),
    fixed("uuidv4", &[], uuid),
    fixed("shuffle", &[String], shuffle),
    fixed("derivePassword", &[Type::Named("uint32"), String, String, String, String], derive_password),
];

/// A text of characters of a class, each as likely as the other.
fn rand_text(call: &mut Call<'_>, args: &[Value], belongs: fn(&u8) -> bool) -> Answer {
    let Ok(count) = usize::try_from(int(args, 0)) else { return string_answer("") };
    check_bytes("a random text", count)?;
    call.spend(count as u64)?;
    let alphabet: Vec<u8> = (0..128).filter(belongs).collect();
    // A byte is fair below the largest multiple of the alphabet's size.
    let fair = 256 - 256 % alphabet.len();
    let mut out = Vec::with_capacity(count);
    let mut bytes = [0; 256];
    while out.len() < count {
        random(call, &mut bytes)?;
        for byte in bytes.into_iter().map(usize::from).filter(|b| *b < fair) {
            if out.len() < count {
                out.push(alphabet[byte % alphabet.len()]);
            }
        }
        // A source that gives nothing usable must not hold the render for ever.
        call.spend(1)?;
    }
    string_answer(out)
}

/// So many random bytes, in base64.
fn rand_bytes(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let Ok(count) = usize::try_from(int(args, 0)) else {
        return Err("runtime error: makeslice: len out of range".into());
    };
    check_bytes("randBytes", count)?;
    let mut bytes = vec![0; count];
    random(call, &mut bytes)?;
    string_answer(STANDARD.encode(bytes))
}

fn uuid(call: &mut Call<'_>, _: &[Value]) -> Answer {
    let mut bytes = [0; 16];
    random(call, &mut bytes)?;
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let digits = hex::encode(&bytes).into_bytes();
    let mut out = Vec::with_capacity(36);
    for (at, digit) in digits.into_iter().enumerate() {
        if matches!(at, 8 | 12 | 16 | 20) {
            out.push(b'-');
        }
        out.push(digit);
    }
    string_answer(out)
}

fn shuffle(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let mut runes: Vec<char> = unicode::runes(text(args, 0)).map(|(_, rune, _)| rune).collect();
    call.spend(runes.len() as u64)?;
    for last in (1..runes.len()).rev() {
        let other = below(call, last as u64 + 1)? as usize;
        runes.swap(last, other);
    }
    let mut out = Vec::new();
    for rune in runes {
        unicode::push_rune(&mut out, rune);
    }
    string_answer(out)
}

/// The Master Password algorithm: a site's password from a master password, never stored.
fn derive_password(_: &mut Call<'_>, args: &[Value]) -> Answer {
    const SCOPE: &[u8] = b"com.lyndir.masterpassword";
    let counter = u32::try_from(int(args, 0) & 0xffff_ffff).unwrap_or(0);
    let (kind, password, user, site) = (text(args, 1), text(args, 2), text(args, 3), text(args, 4));
    let Some(templates) = templates(kind) else {
        return string_answer(format!("cannot find password template {}", std::string::String::from_utf8_lossy(kind)));
    };
    let sized = |part: &[u8]| [&u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes(), part].concat();

    let salt = [SCOPE, &sized(user)].concat();
    let parameters =
        scrypt::Params::new(15, 8, 2, 64).map_err(|e| FuncError::from(format!("failed to derive password: {e}")))?;
    let mut key = [0; 64];
    scrypt::scrypt(password, &salt, &parameters, &mut key)
        .map_err(|e| FuncError::from(format!("failed to derive password: {e}")))?;

    let message = [SCOPE, &sized(site), &counter.to_be_bytes()].concat();
    let seed = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), &message);
    let seed = seed.as_ref();
    let template = templates[usize::from(seed[0]) % templates.len()];
    let out: Vec<u8> = template
        .bytes()
        .zip(&seed[1..])
        .map(|(class, byte)| {
            let characters = characters(class);
            characters[usize::from(*byte) % characters.len()]
        })
        .collect();
    string_answer(out)
}

/// The forms of a password of a kind; each letter stands for a class of characters.
fn templates(kind: &[u8]) -> Option<&'static [&'static str]> {
    Some(match kind {
        b"maximum" => &["anoxxxxxxxxxxxxxxxxx", "axxxxxxxxxxxxxxxxxno"],
        b"long" => &[
            "CvcvnoCvcvCvcv",
            "CvcvCvcvnoCvcv",
            "CvcvCvcvCvcvno",
            "CvccnoCvcvCvcv",
            "CvccCvcvnoCvcv",
            "CvccCvcvCvcvno",
            "CvcvnoCvccCvcv",
            "CvcvCvccnoCvcv",
            "CvcvCvccCvcvno",
            "CvcvnoCvcvCvcc",
            "CvcvCvcvnoCvcc",
            "CvcvCvcvCvccno",
            "CvccnoCvccCvcv",
            "CvccCvccnoCvcv",
            "CvccCvccCvcvno",
            "CvcvnoCvccCvcc",
            "CvcvCvccnoCvcc",
            "CvcvCvccCvccno",
            "CvccnoCvcvCvcc",
            "CvccCvcvnoCvcc",
            "CvccCvcvCvccno",
        ],
        b"medium" => &["CvcnoCvc", "CvcCvcno"],
        b"short" => &["Cvcn"],
        b"basic" => &["aaanaaan", "aannaaan", "aaannaaa"],
        b"pin" => &["nnnn"],
        _ => return None,
    })
}

fn characters(class: u8) -> &'static [u8] {
    match class {
        b'V' => b"AEIOU",
        b'C' => b"BCDFGHJKLMNPQRSTVWXYZ",
        b'v' => b"aeiou",
        b'c' => b"bcdfghjklmnpqrstvwxyz",
        b'A' => b"AEIOUBCDFGHJKLMNPQRSTVWXYZ",
        b'a' => b"AEIOUaeiouBCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz",
        b'n' => b"0123456789",
        b'o' => b"@&%?,=[]_:-+*$#!'^~;()/.",
        _ => b"AEIOUaeiouBCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz0123456789!@#$%^&*()",
    }
}
