import ArgumentParser
@main struct Warm: ParsableCommand { func run() {} }
