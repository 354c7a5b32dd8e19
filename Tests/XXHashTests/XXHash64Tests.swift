import Testing
import XXHash

@Suite struct XXHash64Tests {
    // XXH64's published vectors for seed 0; the longest takes the loop over four lanes and every tail.
    @Test(
        arguments: [
            ("", 0xef46_db37_51d8_e999), ("a", 0xd24e_c4f1_a98c_6e5b), ("abc", 0x44bc_2cf5_ad77_0999),
            ("Nobody inspects the spammish repetition", 0xfbce_a83c_8a37_8bf1),
        ] as [(String, UInt64)])
    func `XXH64 has the published values`(text: String, hash: UInt64) {
        let bytes = Array(text.utf8)
        #expect(xxHash64(bytes.span.bytes) == hash)
        #expect(xxHash64(text) == hash)
    }
}
