// Goal: source code is told from prose, and its language from others.
// Method: three snippets of each language, texts of prose and of both; hostile texts only have to end.
#include "curate/language/code_language.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace kedge::curate {
namespace {

struct Sample {
  std::string_view language, text;
};

constexpr Sample kSamples[] = {
    {"python", "import os\n\ndef size(path):\n    return os.stat(path).st_size\n"},
    {"python", "class Point:\n    def __init__(self, x):\n        self.x = x\n"},
    {"python", "for line in open(name):\n    if not line.strip():\n        continue\n    print(line)\n"},
    {"javascript", "const fs = require('fs');\nfs.readFile(name, (error, data) => {\n  console.log(data);\n});\n"},
    {"javascript", "export default function App() {\n  const [n, setN] = useState(0);\n  return n === 0;\n}\n"},
    {"javascript", "'use strict';\nvar list = document.getElementById('list');\nlist.hidden = true;\n"},
    {"typescript", "export interface User {\n  name: string;\n  age?: number;\n}\n"},
    {"typescript", "const sum = (a: number, b: number): number => {\n  return a + b;\n};\n"},
    {"typescript", "import type { Row } from './row';\nexport type Rows = Row[];\n"},
    {"java", "package org.example;\n\npublic class Main {\n  public static void main(String[] args) {\n  }\n}\n"},
    {"java", "import java.util.List;\n\nclass Names {\n  private final List<String> names;\n}\n"},
    {"java", "@Override\npublic String toString() {\n  return name + \", \" + age;\n}\n"},
    {"c", "#include <stdio.h>\n\nint main(void) {\n  printf(\"%d\\n\", 1);\n  return 0;\n}\n"},
    {"c", "typedef struct node {\n  struct node *next;\n  int value;\n} node_t;\n"},
    {"c", "static int find(const char *s) {\n  if (s->next == NULL) return -1;\n  free(s);\n}\n"},
    {"cpp", "#include <vector>\n\nint main() {\n  std::vector<int> v;\n  return v.size();\n}\n"},
    {"cpp", "namespace a {\ntemplate <typename T>\nT most(const T& x, const T& y) { return x < y ? y : x; }\n}\n"},
    {"cpp", "class Shape : public Base {\n public:\n  virtual double area() const = 0;\n};\n"},
    {"csharp", "using System;\n\nnamespace App\n{\n    class Program\n    {\n    }\n}\n"},
    {"csharp", "public class User\n{\n    public string Name { get; set; }\n    public int Age { get; set; }\n}\n"},
    {"csharp", "foreach (var item in items)\n{\n    Console.WriteLine(item);\n}\n"},
    {"go", "package main\n\nimport \"fmt\"\n\nfunc main() {\n\tfmt.Println(1)\n}\n"},
    {"go", "type Point struct {\n\tX int `json:\"x\"`\n}\n"},
    {"go", "data, err := read(name)\nif err != nil {\n\treturn nil, err\n}\n"},
    {"rust", "use std::fs;\n\nfn main() {\n    let mut n = 0;\n    println!(\"{}\", n);\n}\n"},
    {"rust", "#[derive(Debug)]\npub struct Point {\n    x: f64,\n}\n\nimpl Point {\n}\n"},
    {"rust", "match parse(&text) {\n    Ok(value) => value,\n    Err(error) => return Err(error.into()),\n}\n"},
    {"ruby", "require 'json'\n\nclass Cat < Animal\n  attr_reader :name\nend\n"},
    {"ruby", "def size(path)\n  raise ArgumentError if path.nil?\n  File.size(path)\nend\n"},
    {"ruby", "names.each do |name|\n  puts \"hello #{name}\"\nend\n"},
    {"php", "<?php\n$name = $_GET['name'];\necho $name;\n"},
    {"php", "namespace App\\Models;\n\nuse App\\Base\\Model;\n\nclass User extends Model\n{\n}\n"},
    {"php", "public function name(): string\n{\n    return $this->name;\n}\n"},
    {"shell", "#!/bin/sh\nset -e\nfor f in *.txt; do\n  cat \"$f\"\ndone\n"},
    {"shell", "if [ -z \"$1\" ]; then\n  echo \"usage: $0 FILE\" >&2\n  exit 1\nfi\n"},
    {"shell", "export PATH=$HOME/bin:$PATH\nsudo apt-get install -y curl\ncd /tmp && make\n"},
    {"sql", "SELECT name, age\nFROM users\nWHERE age > 20\nORDER BY name;\n"},
    {"sql", "CREATE TABLE users (\n  id integer PRIMARY KEY,\n  name text NOT NULL\n);\n"},
    {"sql", "insert into users (id, name) values (1, 'a');\nupdate users set name = 'b' where id = 1;\n"},
    {"html", "<!DOCTYPE html>\n<html>\n<body>\n<p>Some words of text.</p>\n</body>\n</html>\n"},
    {"html", "<div class=\"a\">\n  <a href=\"/b\">c</a>\n</div>\n"},
    {"html", "<table>\n<tr><td>1</td><td>2</td></tr>\n</table>\n"},
    {"css", "body {\n  margin: 0;\n  color: #333333;\n}\n"},
    {"css", "@media (max-width: 600px) {\n  .menu { display: none; }\n}\n"},
    {"css", ".a > .b:hover,\n.c {\n  border: 1px solid;\n}\n"},
    {"json", "{\n  \"name\": \"a\",\n  \"sizes\": [1, 2]\n}\n"},
    {"json", "{\"id\": 1, \"text\": \"some words\"}\n{\"id\": 2, \"text\": \"other words\"}\n"},
    {"json", "[\n  {\n    \"id\": 1,\n    \"ok\": true\n  }\n]\n"},
    {"yaml", "name: test\non: push\njobs:\n  build:\n    runs-on: ubuntu-latest\n"},
    {"yaml", "---\napiVersion: v1\nkind: Service\nmetadata:\n  name: a\n"},
    {"yaml", "- name: install\n  package:\n    name: curl\n    state: present\n"},
    {"xml", "<?xml version=\"1.0\"?>\n<root>\n  <item id=\"1\">a</item>\n</root>\n"},
    {"xml", "<project xmlns=\"http://maven.apache.org/POM/4.0.0\">\n  <version>1</version>\n</project>\n"},
    {"xml", "<xs:element name=\"a\">\n  <xs:complexType/>\n</xs:element>\n"},
    {"lua", "local M = {}\n\nfunction M.size(list)\n  return #list\nend\n\nreturn M\n"},
    {"lua", "for i, v in ipairs(list) do\n  if v ~= nil then\n    print(v)\n  end\nend\n"},
    {"lua", "local json = require \"json\"\nlocal text = json.encode(value)\n"},
    {"perl", "use strict;\nuse warnings;\n\nmy $n = shift;\nprint \"$n\\n\";\n"},
    {"perl", "sub name {\n    my ($self) = @_;\n    return $self->{name};\n}\n"},
    {"perl", "while (<STDIN>) {\n    next unless $_ =~ m/^a/;\n    push @lines, $_;\n}\n"},
    {"r", "library(ggplot2)\nx <- c(1, 2, 3)\nplot(x)\n"},
    {"r", "square <- function(x) {\n  x^2\n}\n"},
    {"r", "data <- read.csv(\"a.csv\", header = TRUE)\nmeans <- data %>% group_by(name)\n"},
    {"kotlin", "fun main() {\n    val names = listOf(\"a\")\n    println(names)\n}\n"},
    {"kotlin", "data class User(val name: String, val age: Int)\n"},
    {"kotlin", "override fun onCreate(state: Bundle?) {\n    super.onCreate(state)\n}\n"},
    {"swift", "import Foundation\n\nstruct Point {\n    var x: Double\n}\n"},
    {"swift", "func size(of path: String) throws -> Int {\n    guard let file = open(path) else { return 0 }\n}\n"},
    {"swift", "@IBOutlet weak var label: UILabel!\n\noverride func viewDidLoad() {\n    super.viewDidLoad()\n}\n"},
    {"scala", "object Main extends App {\n  val names = List(\"a\")\n  println(names)\n}\n"},
    {"scala", "case class User(name: String, age: Int)\n"},
    {"scala", "def size(path: String): Int = {\n  path match {\n    case \"\" => 0\n  }\n}\n"},
    {"makefile", ".PHONY: all\nall: $(OBJECTS)\n\t$(CC) -o $@ $^\n"},
    {"makefile", "SOURCES := $(wildcard *.c)\n\nclean:\n\trm -f $(SOURCES:.c=.o)\n"},
    {"makefile", "ifeq ($(OS),Linux)\nCFLAGS += -O2\nendif\n"},
    {"dockerfile", "FROM debian:12\nRUN apt-get update\nCMD [\"bash\"]\n"},
    {"dockerfile", "FROM node:20 AS build\nWORKDIR /app\nCOPY . .\n"},
    {"dockerfile", "ARG VERSION=1\nENV PATH=/a:$PATH\nENTRYPOINT [\"/a\"]\n"},
    {"latex", "\\documentclass{article}\n\\begin{document}\nSome words.\n\\end{document}\n"},
    {"latex", "\\begin{equation}\n  a = \\frac{b}{c}\n\\end{equation}\n"},
    {"latex", "\\section{One}\n\\label{one}\nSee \\ref{two}.\n"},
};

TEST(Code, language_of_snippets) {
  for (const Sample& sample : kSamples) {
    const CodeShare code = code_of(sample.text);
    EXPECT_EQ(code.language, sample.language) << sample.text;
    EXPECT_GT(code.share, 0.5) << sample.text;
  }
}

TEST(Code, every_language_has_snippets) {
  for (const std::string& language : code_languages()) {
    EXPECT_EQ(std::count_if(std::begin(kSamples), std::end(kSamples),
                            [&](const Sample& sample) { return sample.language == language; }),
              3)
        << language;
  }
}

TEST(Code, prose_is_none) {
  for (const std::string_view text :
       {"The program reads the file; then it writes the result.\nIt ends when all lines are read.\n",
        "# A title\n\n* one thing\n* another, with more words\n\nSee [the guide](https://example.org/guide).\n",
        "Dear all,\nimport duties rise from January on.\nFor the list, ask for a copy:\nYours\n",
        "The type std::vector grows when it has to, and nullptr is no object.\n", "1. pg_class\n2. pg_index\n",
        "~<^#/]#$|{^}_@>$(_(+|=](&)/&*&<~=&[_&>]&=+@&&<>=+#^^*=_=_[]@@]_~$#</#|][{)/(]~{~%~)>/#*[}\n",
        "Das Programm liest die Datei.\nDann schreibt es das Ergebnis (siehe oben).\n",
        "\xE6\x96\x87\xE4\xBB\xB6\xE5\xB7\xB2\xE4\xBF\x9D\xE5\xAD\x98\n"}) {
    const CodeShare code = code_of(text);
    EXPECT_EQ(code.share, 0) << text;
    EXPECT_EQ(code.language, "") << text;
  }
  EXPECT_EQ(code_of("").share, 0);
  EXPECT_EQ(code_of(" \n\n").share, 0);
}

TEST(Code, share_is_of_lines) {
  const CodeShare code = code_of(
      "Here is how the file is read:\n\nimport os\nsize = os.stat(name).st_size\n\nThat is all there is to do.\n");
  EXPECT_EQ(code.share, 0.5);
  EXPECT_EQ(code.language, "python");
}

TEST(Code, comments_go_with_their_code) {
  EXPECT_EQ(code_of("/* The size of a file\n   in bytes, or less than nothing. */\nint size(const char *path) {\n"
                    "  return size_of(path);\n}\n")
                .share,
            1);
}

TEST(Code, hostile_texts_end) {
  for (const std::string_view part :
       {"/*\n", "\"\"\"\n", "<!--\n", "(", "((a,", "a=", "<a ", "\xff\x80", "a.", "{a:"}) {
    std::string text;
    while (text.size() < 300000) text += part;
    const double share = code_of(text).share;
    EXPECT_GE(share, 0) << part;
    EXPECT_LE(share, 1) << part;
  }
}

}  // namespace
}  // namespace kedge::curate
