#pragma once
// What consent banners and footers say, in lower case.

#include <array>

#include "curate/code_text.h"

namespace kedge::curate {

/// NeMo Curator's list, word for word.
inline constexpr std::array<CodeView, 14> kNemoPolicies = {
    U"terms of use",
    U"privacy policy",
    U"cookie policy",
    U"uses cookies",
    U"privacy overview",
    U"use of cookies",
    U"use cookies",
    U"privacy & cookies policy",
    U"privacy and cookies policy",
    U"this website uses cookies to improve your experience while you navigate through the website. out of these "
    U"cookies, the cookies that are categorized as necessary are stored on your browser as they are essential for the "
    U"working of basic functionalities of the website. we also use third-party cookies that help us analyze and "
    U"understand how you use this website. these cookies will be stored in your browser only with your consent. you "
    U"also have the option to opt-out of these cookies. but opting out of some of these cookies may have an effect on "
    U"your browsing experience.",
    U"necessary cookies are absolutely essential for the website to function properly. this category only includes "
    U"cookies that ensures basic functionalities and security features of the website. these cookies do not store any "
    U"personal information.",
    U"any cookies that may not be particularly necessary for the website to function and is used specifically to "
    U"collect user personal data via analytics, ads, other embedded contents are termed as non-necessary cookies. it "
    U"is "
    U"mandatory to procure user consent prior to running these cookies on your website.",
    U"this site uses cookies, including for analytics, personalization, and advertising purposes. for more information "
    U"or to change your cookie settings, click here.",
    U"if you continue to browse this site without changing your cookie settings, you agree to this use. "
    U"acceptread more"};

/// C4's list.
inline constexpr std::array<CodeView, 6> kC4Policies = {U"terms of use", U"privacy policy", U"cookie policy",
                                                        U"uses cookies", U"use of cookies", U"use cookies"};

}  // namespace kedge::curate
