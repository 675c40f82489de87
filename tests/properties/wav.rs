//! WAV headers: whatever the bytes, a header is read the same however much of the file is there, and the sound lies
//! inside the file.

use tailcast::recording::riff::{Riff, RiffError, RiffHeader, data_len, parse};

/// Chunks behind the sound that may be looked at.
const MOST_LOOKS: usize = 64;

/// Of a file with these bytes.
pub fn is_read_as_it_is_written(file: &[u8]) {
    let whole = parse(file);
    for len in 0..file.len() {
        let part = parse(&file[..len]);
        assert!(part == Ok(Riff::Incomplete) || part == whole, "{part:?} of {len} bytes, then {whole:?}");
    }
    let data = data_chunk(file);
    match whole {
        Ok(Riff::Header(header)) => lies_in_the_file(&header, file, data.unwrap()),
        // There is nothing to wait for, nor to go on looking for.
        Ok(_) | Err(RiffError::TooFar(_)) => assert_eq!(data, None, "{whole:?}"),
        Err(_) => {}
    }
}

fn lies_in_the_file(header: &RiffHeader, file: &[u8], data: usize) {
    let start = usize::try_from(header.data_offset).unwrap();
    assert_eq!(start, data + 8);
    assert!(header.spec.frame_bytes() > 0);
    let present = (file.len() - start) as u64;
    let mut looks = 0;
    let len = data_len(header, file.len() as u64, |at| {
        looks += 1;
        file.get(usize::try_from(at).ok()?..)?.first_chunk().copied()
    });
    assert!(looks <= MOST_LOOKS);
    assert!(len <= present, "{len} bytes of sound of {present}");
    // All that follows, unless the header says less and is right about what comes behind.
    assert!(len == present || header.declared == Some(len), "{len} of {present}, {header:?}");
    // A header that was not filled in yet gives all of it.
    let growing = RiffHeader { declared: None, ..*header };
    assert_eq!(data_len(&growing, file.len() as u64, |_| None), present);
}

/// Where the chunk with the sound begins, in a file that is WAV: chunks are padded to an even length.
fn data_chunk(file: &[u8]) -> Option<usize> {
    let magic: &[u8] = file.get(..4).filter(|_| file.get(8..12) == Some(b"WAVE"))?;
    if ![b"RIFF", b"RIFX", b"RF64", b"BW64"].iter().any(|id| magic == &id[..]) {
        return None;
    }
    let mut at = 12;
    loop {
        let (id, size) = (file.get(at..at + 4)?, file.get(at + 4..at + 8)?.try_into().unwrap());
        let size = if magic == b"RIFX" { u32::from_be_bytes(size) } else { u32::from_le_bytes(size) };
        match id {
            b"data" => return Some(at),
            // A hole.
            b"\0\0\0\0" => return None,
            _ => at += 8 + size as usize + size as usize % 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const IDS: [&[u8; 4]; 8] =
        [b"fmt ", b"data", b"ds64", b"LIST", b"junk", b"\0\0\0\0", b"id3 ", b"\xffabc"];

    /// A chunk that is what its head says, or one whose size is another; the byte that makes it even may be missing.
    fn chunk() -> impl Strategy<Value = Vec<u8>> {
        let bytes = || prop::collection::vec(any::<u8>(), 0..48);
        let widths = prop::sample::select(vec![8u16, 16, 24, 32]);
        let tags = prop_oneof![4 => prop::sample::select(vec![1u16, 3, 0xFFFE]), 1 => any::<u16>()];
        let honest = prop_oneof![
            3 => (tags, 0u16..4, widths).prop_map(|(tag, channels, bits)| (*b"fmt ", fmt(tag, channels, bits))),
            2 => bytes().prop_map(|bytes| (*b"data", bytes)),
            4 => (prop::sample::select(IDS.to_vec()), bytes()).prop_map(|(id, bytes)| (*id, bytes)),
        ];
        let lie =
            prop_oneof![8 => Just(None), 1 => any::<u32>().prop_map(Some), 1 => (0u32..64).prop_map(Some)];
        (honest, lie, prop::bool::weighted(0.9)).prop_map(|((id, body), lie, padded)| {
            let size = lie.unwrap_or(body.len() as u32);
            [&id[..], &size.to_le_bytes(), &body, &vec![0; body.len() % 2 * usize::from(padded)]].concat()
        })
    }

    fn fmt(tag: u16, channels: u16, bits: u16) -> Vec<u8> {
        let align = channels * bits / 8;
        let mut fmt = [tag, channels].map(u16::to_le_bytes).concat();
        fmt.extend([8_000, 8_000 * u32::from(align)].map(u32::to_le_bytes).concat());
        fmt.extend([align, bits].map(u16::to_le_bytes).concat());
        if tag == 0xFFFE {
            fmt.extend(b"\x16\0\x10\0\x03\0\0\0\x01\0\0\0\0\0\x10\0\x80\0\0\xaa\0\x38\x9b\x71");
        }
        fmt
    }

    proptest! {
        #[test]
        fn a_header_of_any_chunks_is_read_as_it_is_written(
            id in prop::sample::select(vec![b"RIFF", b"RIFX", b"RF64", b"BW64"]),
            chunks in prop::collection::vec(chunk(), 0..6),
        ) {
            is_read_as_it_is_written(&[&id[..], &[0; 4], b"WAVE", &chunks.concat()].concat());
        }

        #[test]
        fn any_bytes_are_read_as_they_are_written(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            is_read_as_it_is_written(&bytes);
            is_read_as_it_is_written(&[b"RIFF\0\0\0\0WAVE", &bytes[..]].concat());
        }
    }
}
