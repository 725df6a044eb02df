use super::*;
use rustls::pki_types::pem::PemObject;

/// One key as `openssl pkcs8 -topk8` and `openssl ec` write it in the clear, and under the password 1234.
const PKCS8: &str = "-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgMY9U3OfvS3Oc+rCk
tQH65jgSAXniHK/AaSD52JoWU5mhRANCAAT4aD8n3F/1VCqRvk0opH0pBz2SwOPL
kgdAAf6d+EXZvk2KmHGpLFD3AvnZZBzpqYgYL70kT9oBJt9tZuPniWF9
-----END PRIVATE KEY-----";
const SEC1: &str = "-----BEGIN EC PRIVATE KEY-----
MHcCAQEEIDGPVNzn70tznPqwpLUB+uY4EgF54hyvwGkg+diaFlOZoAoGCCqGSM49
AwEHoUQDQgAE+Gg/J9xf9VQqkb5NKKR9KQc9ksDjy5IHQAH+nfhF2b5NiphxqSxQ
9wL52WQc6amIGC+9JE/aASbfbWbj54lhfQ==
-----END EC PRIVATE KEY-----";
const PKCS8_AES_256: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----
MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAhXpO9ryAse2gICCAAw
DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEIJbJFwvuGlTdaIgjTx7M4gEgZD9
OwRTX4eSvo9sW0jkK/kLamZ1bMmw5+MY1w2eCWmu/CGpwVrfk7O8lu/cjVAtjBnU
p/F8arMIrjq2heLV/dgxAOoGY1by38Jz+3Xq3npQiN5IqXOC0ZUREwRMyL6RvlYR
qDDkwiWME1O00CecQXrdGMpP9xBJr2wBLcNnRCDZnu03s+k4G3cDvx6ie8feBgA=
-----END ENCRYPTED PRIVATE KEY-----";
const PKCS8_DES3: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----
MIHjME4GCSqGSIb3DQEFDTBBMCkGCSqGSIb3DQEFDDAcBAhvOLX5Phd7dwICCAAw
DAYIKoZIhvcNAgkFADAUBggqhkiG9w0DBwQIbhPZiYnoiEIEgZC/kUnKxWXYs6XV
VfJq/b6EbWvP6j2L+HA4HryrjHjQmv5VDDjtZc2l7hgQXDuRCmVNyBpYL1HkMuJd
l4mbYaVfbTMeZ1pr6sp/Bs3cJO8jl/4JkcD7hLSfWjRkI0OeJCkRg9lYYxecjK1J
H8zo3BT3zzPvTL5GUTFJdw1wfv99s4Ur2L55h8usZgAifncAR2Y=
-----END ENCRYPTED PRIVATE KEY-----";
const PKCS8_SCRYPT: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----
MIHkME8GCSqGSIb3DQEFDTBCMCEGCSsGAQQB2kcECzAUBAjHGhyjt5CE2AICBAAC
AQgCAQEwHQYJYIZIAWUDBAEqBBA0yxj4YkdZtFoYDFXCNzhRBIGQ8JrmDBf/poPE
l6v0DtajrE5ZKL7WY05AiBM3lC8tmNHCTK/ci1LO7Ulfaf5zskR5S023LXc4NyE/
s86KsGBZ2OcdmxmLHvlxW/n+ySF96sUpWxChyjqDAA0K1YmoLsGKaR3KnGD2OGLF
tKBbK9qWnZyCjI8G74nrWtyOzP46W5Wcx7X0SCafuehBTXdvEcc/
-----END ENCRYPTED PRIVATE KEY-----";
const PKCS8_OLD: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----
MIGxMBwGCiqGSIb3DQEMAQMwDgQIMntk1sZVV+sCAggABIGQCfR01eE3dEARRh+F
dQ90BC5ang4XlNfm9aatUfirjoVeQmY6+JW9Q0LgWFLu0A5GiaMmUG2OC9gpbXp8
ietOU2R5uNRf3vjzIELo+Dj+f7T6z+5kwAejGnuO9MD2oTtPlMJkjfGqgyarwUnS
TNX7SNMwJj1eoPQk8RXZAzJOjNK/W6RE9HO6RfB19xoDLlti
-----END ENCRYPTED PRIVATE KEY-----";
const AES_128: &str = "-----BEGIN EC PRIVATE KEY-----
Proc-Type: 4,ENCRYPTED
DEK-Info: AES-128-CBC,BE3C5FDA184E9F1F07513A7F1CAE2651

8Mak0ow9+9IPsyDm57yyzb7LB6LFG8Aaz/LW+qCSNybHSbJ7LWxHwpMGWL5KdGlB
ndA9/3ArAO7O3wLfzNYOsS2zDfqZy2LjIBKZxqGe1/Zf6CrCar+r7xFZQyjfzfpL
WqILMakFUsWMt/l/i9r5rEV1sbs8Aef6HvI6yNx/xak=
-----END EC PRIVATE KEY-----";
const AES_192: &str = "-----BEGIN EC PRIVATE KEY-----
Proc-Type: 4,ENCRYPTED
DEK-Info: AES-192-CBC,03E801E49FDBF3C8FD083B3509366A4F

eCWlYy24MViVyYbFmRLyI+t9BHGOdvm+37OJrXA21BirqBGH+WavOjM5ID/TaN7o
S8puwIcZBK6MWrmBEwfWEqayg79mBdVrwKt1lDzPkMukSidX2cKMK72vMsa1mdeG
VfosoVUkVBYE4RLDFtNSohNRQVwW5ZWX7/9aXYrSiqU=
-----END EC PRIVATE KEY-----";
const AES_256: &str = "-----BEGIN EC PRIVATE KEY-----
Proc-Type: 4,ENCRYPTED
DEK-Info: AES-256-CBC,0B6A9E1B7A4337A5E0954B794143DD43

UfVJ5P+5NAR8kHN5o9FAp20qz3+xzsQu0IQ45KsrBs1o5hfi2coeDAeKLQKJ/9rW
OH/nCEJ3/SW9rWFhRMAHWzraEd5SwdMX8BsPXo6TsmuwJPFnC7qsrGYUZfW49vks
BsNesZD1H2s8R6wsqw1cVDke9U0n/HKaxQuejpdhO0o=
-----END EC PRIVATE KEY-----";
const DES3: &str = "-----BEGIN EC PRIVATE KEY-----
Proc-Type: 4,ENCRYPTED
DEK-Info: DES-EDE3-CBC,8CFB0B18C37D454D

cRZj05oTkjzha2VfyA6mgUNNIrVQ3MdfM6gaIs1Ra/sOD0oNi405DX6vlqNnFijb
9wFpPbZ+ryA9tBQAFjJ+fp15lZoGcjqWuvVphvorL0h44OlcXVZ/QEkVVZ2IkFgT
YpS9UJLdyy/HyF5zEoiwJ+eNRGGgE8DLRjM2q4eRy9g=
-----END EC PRIVATE KEY-----";
const CAMELLIA: &str = "-----BEGIN EC PRIVATE KEY-----
Proc-Type: 4,ENCRYPTED
DEK-Info: CAMELLIA-128-CBC,1E6CC52AF568E11D61BE600A40C618DC

Af3/NzH6KXwMR37q2A9TpORAJGdgPioayZaxJGX4bFggPl5qVHm6AY88c78ctqim
j3Fr+5g4oe7hZCykkypG4NFdGtlk+TcB7zAPm2O8dwmQN6L6aXRv0oy6P0IBS28U
wbtc6drVE9BA3XYPAuH7u+rSpgtCH4TPtjwooA0mBFw=
-----END EC PRIVATE KEY-----";

fn plain(text: &str) -> PrivateKeyDer<'static> {
    PrivateKeyDer::from_pem_slice(text.as_bytes()).unwrap()
}

#[test]
fn a_key_opens_to_its_password_whichever_way_openssl_encrypted_it() {
    for (text, expected) in [
        (PKCS8_AES_256, PKCS8),
        (PKCS8_DES3, PKCS8),
        (PKCS8_SCRYPT, PKCS8),
        (AES_128, SEC1),
        (AES_192, SEC1),
        (AES_256, SEC1),
        (DES3, SEC1),
    ] {
        assert!(is_locked(text.as_bytes()));
        assert_eq!(unlock(text.as_bytes(), b"1234"), Ok(plain(expected)), "{text}");
        // As in a file that holds the certificate too, from a system with other ends of lines.
        let beside = format!("-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n{text}\n");
        assert_eq!(unlock(beside.replace('\n', "\r\n").as_bytes(), b"1234"), Ok(plain(expected)), "{text}");
        for wrong in ["", "12345", "1234\n"] {
            let opened = unlock(text.as_bytes(), wrong.as_bytes());
            assert_eq!(opened, Err(Locked::WrongPassword), "{wrong:?} for {text}");
        }
    }
}

#[test]
fn a_key_in_the_clear_is_not_locked() {
    assert!(!is_locked(PKCS8.as_bytes()) && !is_locked(SEC1.as_bytes()));
}

#[test]
fn what_is_encrypted_in_another_way_stays_locked() {
    for text in [PKCS8_OLD, CAMELLIA, &AES_128.replace("EC PRIVATE", "DSA PRIVATE")] {
        assert_eq!(unlock(text.as_bytes(), b"1234"), Err(Locked::Unreadable), "{text}");
    }
}

#[test]
fn a_damaged_key_is_an_error() {
    for text in [
        String::new(),
        AES_128.replace("DEK-Info", "DEK"),
        AES_128.replace("AES-128-CBC,", ""),
        AES_128.replace("CBC,BE", "CBC,"),
        AES_128.replace("CBC,BE", "CBC,XY"),
        DES3.replace(",8CFB", ",é"),
        PKCS8_AES_256.replace("MIHs", "M\u{e9}"),
        PKCS8_AES_256.replace("MIHs", "MIHt"),
    ] {
        assert_eq!(unlock(text.as_bytes(), b"1234"), Err(Locked::Unreadable), "{text}");
    }
    assert_eq!(unlock(b"-----BEGIN PRIVATE KEY-----\xff", b"1234"), Err(Locked::Unreadable));
}
