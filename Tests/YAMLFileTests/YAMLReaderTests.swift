import Testing
import YAMLFile

@Suite struct AliasLimitTests {
    @Test func `a text may have eight aliases, and a long one none`() {
        let few = "a: &a 1\nb: [" + Array(repeating: "*a", count: 8).joined(separator: ", ") + "]"
        #expect(throws: Never.self) { try AliasLimit.check(few, file: "f") }
        #expect(throws: ConfigurationError.self) { try AliasLimit.check(few + "\nc: *a", file: "f") }
        let long = String(repeating: "# comment\n", count: 30_000)
        #expect(throws: Never.self) { try AliasLimit.check(long, file: "f") }
        #expect(throws: ConfigurationError.self) { try AliasLimit.check(long + "c: *a", file: "f") }
    }
}
