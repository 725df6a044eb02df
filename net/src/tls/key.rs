//! Private keys under a password: PKCS #8 as OpenSSL writes it, and what it wrote before.

use aes::{Aes128, Aes192, Aes256};
use base64ct::{Base64, Encoding};
use cbc::Decryptor;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockCipher, BlockDecryptMut, KeyInit, KeyIvInit};
use des::TdesEde3;
use md5::{Digest, Md5};
use pkcs8::{EncryptedPrivateKeyInfo, Error, pkcs5};
use rustls::pki_types::PrivateKeyDer;

/// What a key in DER begins with.
const SEQUENCE: u8 = 0x30;

/// Why a key stays under its password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Locked {
    /// The password is another one, or the key is damaged: these look alike.
    #[error("the password does not open it")]
    WrongPassword,
    /// It is encrypted in a way that is not known here, or damaged.
    #[error(
        "it is damaged, or encrypted in a way that is not supported; openssl pkey -aes256 writes it anew"
    )]
    Unreadable,
}

/// A key in a file of PEM, and what stands above it there.
struct Block {
    label: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

/// Whether the first key in a file of PEM is under a password.
pub(super) fn is_locked(text: &[u8]) -> bool {
    let holds = |words: &[u8]| text.windows(words.len()).any(|window| window == words);
    holds(b"BEGIN ENCRYPTED PRIVATE KEY") || holds(b"Proc-Type: 4,ENCRYPTED")
}

/// Takes the first key in a file of PEM from under its password.
pub(super) fn unlock(text: &[u8], password: &[u8]) -> Result<PrivateKeyDer<'static>, Locked> {
    let block = Block::first(text).ok_or(Locked::Unreadable)?;
    if block.label == "ENCRYPTED PRIVATE KEY" {
        let key = EncryptedPrivateKeyInfo::try_from(&block.body[..]).map_err(|_| Locked::Unreadable)?;
        let opened = key.decrypt(password).map_err(|error| match error {
            // The library takes one for the other.
            Error::EncryptedPrivateKey(pkcs5::Error::DecryptFailed | pkcs5::Error::EncryptFailed) => {
                Locked::WrongPassword
            }
            // What comes out under a wrong password is no key.
            Error::Asn1(_) => Locked::WrongPassword,
            _ => Locked::Unreadable,
        })?;
        return Ok(PrivateKeyDer::Pkcs8(opened.to_bytes().to_vec().into()));
    }
    let opened = block.decrypt(password)?;
    match block.label.as_str() {
        "RSA PRIVATE KEY" => Ok(PrivateKeyDer::Pkcs1(opened.into())),
        "EC PRIVATE KEY" => Ok(PrivateKeyDer::Sec1(opened.into())),
        _ => Err(Locked::Unreadable),
    }
}

impl Block {
    /// The first private key.
    fn first(text: &[u8]) -> Option<Block> {
        let text = std::str::from_utf8(text).ok()?;
        let mut lines = text.lines().map(str::trim_end);
        let label = lines.find_map(|line| {
            let label = line.strip_prefix("-----BEGIN ")?.strip_suffix("-----")?;
            label.ends_with("PRIVATE KEY").then_some(label)
        })?;
        let (mut headers, mut body) = (Vec::new(), String::new());
        for line in lines.take_while(|line| !line.starts_with("-----")) {
            match line.split_once(": ") {
                Some((name, value)) => headers.push((name.to_owned(), value.to_owned())),
                None => body.push_str(line),
            }
        }
        Some(Block { label: label.to_owned(), headers, body: Base64::decode_vec(&body).ok()? })
    }

    /// Decrypts what is encrypted in PEM's own way (RFC 1421, as OpenSSL fills it in).
    fn decrypt(&self, password: &[u8]) -> Result<Vec<u8>, Locked> {
        let (_, how) = self.headers.iter().find(|(name, _)| name == "DEK-Info").ok_or(Locked::Unreadable)?;
        let (cipher, iv) = how.split_once(',').ok_or(Locked::Unreadable)?;
        let iv = bytes_of(iv).ok_or(Locked::Unreadable)?;
        match cipher {
            "DES-EDE3-CBC" => decrypt::<TdesEde3>(password, &iv, &self.body),
            "AES-128-CBC" => decrypt::<Aes128>(password, &iv, &self.body),
            "AES-192-CBC" => decrypt::<Aes192>(password, &iv, &self.body),
            "AES-256-CBC" => decrypt::<Aes256>(password, &iv, &self.body),
            _ => Err(Locked::Unreadable),
        }
    }
}

fn decrypt<C>(password: &[u8], iv: &[u8], body: &[u8]) -> Result<Vec<u8>, Locked>
where
    C: BlockCipher + BlockDecryptMut + KeyInit,
{
    let salt = iv.get(..8).ok_or(Locked::Unreadable)?;
    let key = key_of(password, salt, C::key_size());
    let cipher = Decryptor::<C>::new_from_slices(&key, iv).map_err(|_| Locked::Unreadable)?;
    let opened = cipher.decrypt_padded_vec_mut::<Pkcs7>(body).ok();
    opened.filter(|key| key.first() == Some(&SEQUENCE)).ok_or(Locked::WrongPassword)
}

/// OpenSSL's `EVP_BytesToKey` with MD5 and one round.
fn key_of(password: &[u8], salt: &[u8], length: usize) -> Vec<u8> {
    let mut key = Vec::new();
    let mut last: Vec<u8> = Vec::new();
    while key.len() < length {
        last = Md5::new().chain_update(&last).chain_update(password).chain_update(salt).finalize().to_vec();
        key.extend_from_slice(&last);
    }
    key.truncate(length);
    key
}

/// The bytes that are written in hexadecimal digits.
fn bytes_of(digits: &str) -> Option<Vec<u8>> {
    let pair = |at| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
    (0..digits.len()).step_by(2).map(pair).collect()
}

#[cfg(test)]
#[path = "key_tests.rs"]
mod tests;
